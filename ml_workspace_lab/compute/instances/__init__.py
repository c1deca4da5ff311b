"""Compute instances: named, owned Jupyter servers on the workspace's machine."""
