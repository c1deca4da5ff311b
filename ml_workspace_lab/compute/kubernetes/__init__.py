"""The compute targets of the kind `kubernetes`: Jobs of a namespace."""
