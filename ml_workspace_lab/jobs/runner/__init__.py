"""The process that does the work of one run, the same program on every compute target."""
