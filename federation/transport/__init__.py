"""Server side of the stream lane: connections, tasks out, replies in; knows frames, and nothing of rounds.

Imports ``run``, ``weights`` and ``protocol``.
"""
