"""What the server tells programs that watch it: counters and gauges for /metrics, one registry an app; readiness.

Imports ``db`` and what lies below it.
"""
