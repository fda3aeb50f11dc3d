"""The run that only evaluates: it waits for clients, sends them weights that exist, and records what they measure.

Imports its neighbours that prepare, wait, send and record, ``evaluation``, ``storage``, ``run`` and ``weights``.
"""
