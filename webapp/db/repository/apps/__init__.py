"""apps: list, insert, change the state, delete."""
