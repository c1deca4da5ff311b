"""The compute targets of the kind `ray`: jobs of a Ray cluster."""
