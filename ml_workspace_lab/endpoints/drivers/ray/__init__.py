"""Deployments on Ray: each an application of Ray Serve."""
