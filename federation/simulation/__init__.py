"""``python -m federation.simulation``: many virtual clients in few processes; the server sees them as other clients.

Imports ``client``, ``learning`` and what these import; never the server's side.
"""
