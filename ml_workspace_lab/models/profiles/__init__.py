"""What versions of models take and give when they are served, measured."""
