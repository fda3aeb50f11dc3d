"""What /metrics tells Prometheus: counters of what happened, gauges of the present state. One registry an app.

Imports ``db`` and what lies below it.
"""

from webapp.operations.metrics.counters import Metrics
from webapp.operations.metrics.state import StateCollector

__all__ = ["Metrics", "StateCollector"]
