"""The background process of a workspace: dispatches its jobs and supervises its endpoints."""
