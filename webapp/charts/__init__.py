"""Curves for charts: series read from the database, thinned to what a chart can draw, and cached; statistics over runs.

Imports ``db`` and what lies below it.
"""
