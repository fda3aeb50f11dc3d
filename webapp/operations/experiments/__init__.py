"""Experiments: which runs a request for many means, and what people do with the group.

Imports what ``operations`` may.
"""
