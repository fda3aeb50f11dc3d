"""Weights on disk: checkpoints of a run, initial weights, uploads, exported Keras models.

Imports ``run``, ``weights`` and ``aggregation.reply_checks``.
"""
