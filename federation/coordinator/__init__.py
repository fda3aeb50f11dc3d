"""The run's side of the server: the queue, the threads of active runs, their rounds, attempts and phases.

Imports ``transport``, ``aggregation``, ``storage``, ``run`` and ``weights``.
"""
