"""Scoring of many rows as a run: in mini-batches, in parallel, each kept once it is finished."""
