"""Programs that the documentation shows."""
