"""Data sets: which there are, how their files are read, how they are cut into the clients' partitions.

Imports ``run`` and ``learning.keras_backend``.
"""
