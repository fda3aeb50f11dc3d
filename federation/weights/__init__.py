"""A model's weights: the layout of their buffer, Flower records of them, atomic writes, content ids.

Imports nothing else of ``federation``.
"""
