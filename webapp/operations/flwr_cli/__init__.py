"""What the flwr command does on a dashboard: start runs of apps, list them, read their logs.

Imports what ``operations`` may.
"""
