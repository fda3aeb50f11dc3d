"""TLS for both ports: the server's certificate and its renewal, the handshake, and what a client's signature covers.

Clients import ``fingerprints`` alone.
"""
