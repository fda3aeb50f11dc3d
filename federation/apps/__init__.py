"""Flower Apps of people: what an uploaded archive holds.

Imports ``run``.
"""
