"""HTTP below routes: the server process, guards before every handler, headers, compression, static files.

Imported by ``routes`` and ``app`` only; imports settings and problems.
"""
