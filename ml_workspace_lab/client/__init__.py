"""What users hold in Python: workspace, experiments, runs, models, endpoints, over a connection."""
