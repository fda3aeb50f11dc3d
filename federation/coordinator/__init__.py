"""The run's side of the server: the queue, the active run's thread, its rounds, attempts and phases.

Imports ``transport``, ``aggregation``, ``storage``, ``run`` and ``weights``.
"""
