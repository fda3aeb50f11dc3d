"""Simulated clients of this dashboard: their processes, their partitions, and the memory that they take."""
