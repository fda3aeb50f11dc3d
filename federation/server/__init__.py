"""The Flower server: its port, its thread, and all that flwr does not export.

Imports ``transport``, ``protocol`` and ``run``.
"""
