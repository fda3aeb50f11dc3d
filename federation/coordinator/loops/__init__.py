"""The loop of each kind of run, from its first wait for clients to the state that it ends in.

Imports its neighbours that prepare, wait, send and record, ``aggregation``, ``evaluation``, ``storage``, ``run``,
``schema`` and ``weights``.
"""
