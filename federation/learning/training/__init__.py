"""Training and evaluation of a Keras network on a client's samples: trainer, compiled steps, optimizers, metrics.

Knows no ClientApp. TensorFlow is imported inside functions.
"""
