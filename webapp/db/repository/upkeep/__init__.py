"""What is removed of runs: rows of deleted ones, events of old ones. Imports ``tables``."""
