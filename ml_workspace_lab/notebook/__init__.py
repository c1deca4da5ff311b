"""What a notebook has of the workspace: magics, live cards, and its own document."""
