"""The process of an instance: prepares what its user wants, then is the Jupyter server."""
