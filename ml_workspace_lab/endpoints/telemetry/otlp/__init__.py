"""Telling a collector how scoring does, in OpenTelemetry's protocol: JSON over HTTP."""
