"""Training and evaluation of a Keras network on a client's samples: trainer, compiled steps, optimizers, metrics,
personal layers.

Knows no ClientApp. TensorFlow is imported inside functions.
"""
