"""Runs as runs of MLflow, by its REST API: what they hold there, how they are sent, and that each round arrives once.

Imports what ``operations`` may.
"""
