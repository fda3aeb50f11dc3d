"""What a client tells of a table, images or arrays of its own, and what the clients of a run agree on.

Imports nothing else of federation, and no numpy.
"""
