"""Measuring what serves a version: its real scoring processes, asked for short whiles."""
