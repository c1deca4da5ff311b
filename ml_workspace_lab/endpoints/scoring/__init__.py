"""The server process of one deployment."""
