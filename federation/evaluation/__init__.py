"""Evaluation at the server: a child process that evaluates committed weights on held-out data, beside the rounds.

Imports ``run`` and ``weights``; the child is ``federation.learning.evaluation_process``.
"""
