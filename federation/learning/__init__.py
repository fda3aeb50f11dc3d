"""Training and evaluation on a client: the ClientApp, Keras networks, data sets. TensorFlow is imported only here.

Imports ``run``, ``weights`` and ``progress``.
"""
