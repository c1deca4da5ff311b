"""Versions of models as container images: made without a container engine, each time the same."""
