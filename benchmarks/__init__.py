"""Meadow beside Flower's own ways to run a federation, on one machine in one go: ``python -m benchmarks``."""
