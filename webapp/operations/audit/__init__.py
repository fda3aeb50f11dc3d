"""The audit log: what an entry says, which attempts are counted together, and the one way to add entries.

Imports the database alone.
"""
