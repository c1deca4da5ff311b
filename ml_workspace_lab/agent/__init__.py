"""The background process of a workspace: dispatches its jobs, supervises its
endpoints and compute instances."""
