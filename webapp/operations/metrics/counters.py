"""Counters and histograms: of rounds and replies by a run's events, of HTTP requests, of database failures.

Values of labels are words of this code, never a client's text, so the number of series is bounded.
"""

import collections
from collections.abc import Iterable
from importlib.metadata import version
from itertools import product
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from federation.run.events import AttemptFailed, Event, Outcome, Phase, ReplyRecorded, RoundDone

ROUND_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
REQUEST_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class Metrics:
    """All metrics of one app, in a registry of its own. Any thread may use it."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the time at which a counter began would be a series more for each
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        info = Gauge("meadow_info", "The version of Meadow; the value is always 1.", ["version"], registry=registry)
        info.labels(version("meadow")).set(1)
        self._rounds = Counter(
            "meadow_rounds_committed", "Rounds that were stored, without the evaluation of initial weights.",
            registry=registry,
        )  # fmt: skip
        self._round_seconds = Histogram(
            "meadow_round_seconds", "Duration of committed rounds.", buckets=ROUND_SECONDS, registry=registry
        )
        self._failed_attempts = Counter(
            "meadow_round_attempts_failed", "Attempts at a round that committed nothing.", registry=registry
        )
        replies = Counter(
            "meadow_replies", "Tasks of clients by phase and outcome.", ["phase", "outcome"], registry=registry
        )
        content_bytes = Counter(
            "meadow_content_bytes", "Bytes of weights in tasks and updates: sent to clients, received from them.",
            ["direction"], registry=registry,
        )  # fmt: skip
        # looked up once: a look-up by labels takes ten times as long as an increment, of which a round has thousands
        pairs = product(get_args(Phase), get_args(Outcome))
        self._replies = {(phase, outcome): replies.labels(phase, outcome) for phase, outcome in pairs}
        self._sent, self._received = content_bytes.labels("sent"), content_bytes.labels("received")
        self._requests = Counter(
            "meadow_http_requests", "HTTP requests by route template, method and status class.",
            ["route", "method", "status"], registry=registry,
        )  # fmt: skip
        self._request_seconds = Histogram(
            "meadow_http_request_seconds", "Time from a request's head to the head of its answer.", ["route", "method"],
            buckets=REQUEST_SECONDS, registry=registry,
        )  # fmt: skip
        self._database_failures = Counter(
            "meadow_database_failures", "Uses of the database that failed and may succeed later.", registry=registry
        )

    def count_events(self, events: Iterable[Event]) -> None:
        """Count what runs tell; called once for each of their events, after a round is committed.

        Replies are added up first: an increment takes a microsecond, and a round has thousands of them.
        """
        replies, sent, received = collections.Counter[tuple[Phase, Outcome]](), 0, 0
        for event in events:
            match event:
                case ReplyRecorded():
                    replies[event.phase, event.outcome] += 1
                    sent, received = sent + event.bytes_down, received + event.bytes_up
                case RoundDone() if event.round > 0:
                    self._rounds.inc()
                    self._round_seconds.observe(event.seconds)
                case AttemptFailed():
                    self._failed_attempts.inc()
        for pair, amount in replies.items():
            self._replies[pair].inc(amount)
        self._sent.inc(sent)
        self._received.inc(received)

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered HTTP request; route and method must come from a bounded set."""
        self._requests.labels(route, method, f"{status // 100}xx").inc()
        self._request_seconds.labels(route, method).observe(seconds)

    def count_database_failure(self) -> None:
        """Count a use of the database that failed."""
        self._database_failures.inc()

    def add(self, collector: Collector) -> None:
        """Have a collector asked at each scrape."""
        self._registry.register(collector)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format; asks the database, for seconds where it is away."""
        return generate_latest(self._registry)
