"""The compute targets of kind `slurm`: runs are batch jobs of a Slurm cluster."""
