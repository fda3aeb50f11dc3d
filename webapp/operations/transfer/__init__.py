"""A run as one zip archive: what it holds, how it is written while it is sent, how it is checked and read in.

Imports what ``operations`` may, and ``operations.files``.
"""
