"""Raw HTTP cases over the MLflow protocol, put to a real MLflow server and to ours alike."""
