"""Flower and Keras side of Meadow: the run, its server and its clients. Knows no database and no HTML.

``progress`` is the public API of people's own apps; every other module belongs to one of the packages.
"""
