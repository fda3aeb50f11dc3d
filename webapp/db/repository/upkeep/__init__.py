"""What is removed of runs when they are old. Imports ``tables``."""
