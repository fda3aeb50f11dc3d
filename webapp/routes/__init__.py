"""Handlers, one file a concern: each gets, acts and renders."""
