"""Weights on disk: checkpoints of a run, initial weights, exported Keras models.

Imports ``run``, ``weights`` and ``aggregation.reply_checks``.
"""
