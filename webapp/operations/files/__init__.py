"""The files and rows that runs leave: which weights can be downloaded, and how a deleted run is removed.

Imports ``db`` and what lies below it, and moves of runs.
"""
