"""Flower and Keras side of Meadow: the server, its lanes, the rounds and the client. Knows no database and no HTML."""
