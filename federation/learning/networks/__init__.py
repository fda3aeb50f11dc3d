"""The Keras networks that a run can name, and the child process that builds them for the server.

TensorFlow is imported inside functions.
"""
