"""The command `ml-workspace`."""
