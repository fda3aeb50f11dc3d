"""A model's weights: their layout, Flower records of them, files written whole, content ids.

Imports nothing else of ``federation``.
"""
