"""Logins of a command on another machine, which a signed-in person approves in a browser (RFC 8628).

Imports what ``accounts`` may.
"""
