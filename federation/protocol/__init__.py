"""The WebSocket protocol between server and clients, as both ends read and write it.

Imports nothing else of ``federation``.
"""
