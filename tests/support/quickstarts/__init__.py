"""Apps in the shape of Flower's quickstarts, with NumPy in place of the frameworks; they read what those read."""
