"""Experiments from and to other places: folders, MLflow, TensorBoard."""
