"""TLS of a client: which server it trusts, and what it says of a server with which it agrees on no TLS.

Imports ``protocol``.
"""
