"""Queries for what clients measured in an evaluation. Imports what ``repository`` may."""
