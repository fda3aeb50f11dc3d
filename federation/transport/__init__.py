"""Server side of the stream lane: connections, tasks out, replies in. Knows frames, nothing of rounds.

Imports ``run``, ``weights`` and ``protocol``.
"""
