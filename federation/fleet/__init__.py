"""Stock Flower SuperNodes as clients of the lane: their tasks and replies travel as Flower messages.

Imports transport, weights, protocol, run, and flwr's own modules in ``deployment``; not the Flower server.
"""
