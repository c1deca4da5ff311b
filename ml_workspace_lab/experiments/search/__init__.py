"""Searching runs: a grammar, its translation to SQL, pages, counts and frames."""
