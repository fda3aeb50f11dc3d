"""``python -m federation.client``: the process of one client, from its command line to its exit code.

Imports ``learning``, ``protocol``, ``weights``, ``run`` and ``progress``; never the server's side.
"""
