"""A Flower app that does no work."""
