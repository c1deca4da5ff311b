"""What applications are evaluated with: datasets of inputs and what is expected, and scorers."""
