"""What the server tells programs that watch it: counters and gauges for /metrics, one registry an app; readiness.

Imports ``db`` and what lies below it.
"""

from webapp.operations.metrics.counters import Metrics
from webapp.operations.metrics.state import StateCollector

__all__ = ["Metrics", "StateCollector"]
