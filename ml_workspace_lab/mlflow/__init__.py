"""The MLflow REST protocol over the services of the workspace."""
