"""Compute instances: named, owned Jupyter servers, here or as jobs of a compute target."""
