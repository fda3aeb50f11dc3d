"""HTTP below routes: the server process, security middleware, headers, compression, static files.

Imported by ``routes`` and ``app`` only; imports settings and problems.
"""
