"""Deployments on Kubernetes: each a Deployment with a Service, a Secret and, where it scales, an
autoscaler."""
