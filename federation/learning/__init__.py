"""What a client learns with: the ClientApp, Keras networks and their training, data sets. TensorFlow only here.

Imports ``run``, ``weights`` and ``progress``.
"""
