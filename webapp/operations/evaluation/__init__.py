"""Evaluation beside and after the rounds of a run: what the server measures on held-out data."""
