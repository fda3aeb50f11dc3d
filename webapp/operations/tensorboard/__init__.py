"""Runs as TensorBoard's event files, made without TensorFlow: a download, and a folder that follows the runs.

Imports what ``operations`` may, and ``operations.files``.
"""
