"""Where deployments are served: one driver for each kind of compute target that can."""
