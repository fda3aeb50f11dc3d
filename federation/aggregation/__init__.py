"""From replies to the next weights: validation, robustness rules, the running mean, Flower's strategies.

Imports ``run`` and ``weights``.
"""
