"""Runs a client's tasks through its ClientApp, and describes those that failed.

Imports ``learning``, ``protocol``, ``weights``, ``run`` and ``progress``, and of the client its console and its outbox.
"""
