"""Flower Apps of people: the store of FABs, and who has approved which.

Imports the database and the archives of ``federation.apps``.
"""
