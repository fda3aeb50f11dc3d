"""Rules that end a run before its last round: a target, no improvement, a limit of time or of traffic."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, nan
from typing import NamedTuple

from federation.run.events import RoundDone
from federation.run.metric_goals import SERVER_PHASE

MEGABYTE = 10**6


class StopRule(StrEnum):
    """The rule that ended a run; the values are the words of the table and the API."""

    TARGET = "target"
    PATIENCE = "patience"
    TIME = "time"
    TRAFFIC = "traffic"


class Stop(NamedTuple):
    """A rule that ends the run, and the reason as a sentence."""

    rule: StopRule
    sentence: str


@dataclass(frozen=True, slots=True)
class StopRules:
    """The rules of a run; None: there is no such rule.

    ``metric`` has its phase in front, as ``evaluate_accuracy`` or ``server_accuracy``; ``less_is_better`` None: it is
    unknown, and no rule needs it.
    """

    metric: str
    less_is_better: bool | None
    target: float | None = None
    patience: int | None = None
    min_change: float = 0.0
    seconds: float | None = None
    megabytes: float | None = None

    @property
    def are_any(self) -> bool:
        """Whether there is a rule."""
        return any(rule is not None for rule in (self.target, self.patience, self.seconds, self.megabytes))


@dataclass(frozen=True, slots=True)
class RunPast:
    """What the rules need of the rounds before a resume, as they are stored.

    The rules count rounds after ``after``: 0, or the round after which a person continued a run that a rule had ended.
    ``seconds`` is the active time and ``traffic_bytes`` the traffic of those rounds, ``values`` are (round, value) of
    the watched metric, NaN where it was not finite. ``is_evaluated``: clients evaluated the last of those rounds.
    """

    after: int = 0
    seconds: float = 0.0
    traffic_bytes: int = 0
    values: Iterable[tuple[int, float]] = ()
    is_evaluated: bool = True


class StopWatch:
    """Applies the rules of one run after each committed round; for the run's thread.

    Round 0 evaluates the initial weights and ends no run. A value that is not finite is no improvement and no target;
    a round without a value decides nothing about the metric. No rule ends a run after a round that was not evaluated:
    one whose limit is reached is evaluated, so that the last round always is. What the server measures comes beside the
    next rounds, one of which is then the last.
    """

    def __init__(self, rules: StopRules, past: RunPast, committed: int) -> None:
        self._rules, self._seconds, self._traffic = rules, past.seconds, past.traffic_bytes
        self._phase, _, self._name = rules.metric.partition("_")
        self._less = rules.less_is_better
        self._best: tuple[int, float] | None = None
        self._after = max(past.after, 0)
        self._measured_stop: Stop | None = None
        value: float | None = None
        for number, value in past.values:
            self._note_value(number, value)
            self._judge_measured(number, value)
            value = value if number == committed else None
        self._may_end = committed > self._after and past.is_evaluated
        self._stop = self._judge(committed, value) if self._may_end else None

    @property
    def stop(self) -> Stop | None:
        """The rule that ends the run now."""
        return self._stop or (self._measured_stop if self._may_end else None)

    def note(self, done: RoundDone, seconds: float, traffic_bytes: int) -> None:
        """Take a committed round into account, the run's active seconds in this process, and the round's traffic."""
        self._traffic += traffic_bytes
        metrics: Mapping[str, float] = {"train": done.train_metrics, "evaluate": done.evaluate_metrics}.get(
            self._phase, {}
        )
        value = metrics.get(self._name) if done.round > self._after else None
        if value is not None:
            self._note_value(done.round, value)
        self._may_end = done.round > self._after and done.is_evaluated
        self._stop = self._judge(done.round, value, seconds) if self._may_end else None

    def note_measured(self, number: int, metrics: Mapping[str, float]) -> None:
        """Take into account what the server measured of a committed round, perhaps some rounds ago."""
        value = metrics.get(self._name) if self._phase == SERVER_PHASE and number > self._after else None
        if value is not None:
            self._note_value(number, value)
            self._judge_measured(number, value)

    def is_limit_reached(self, seconds: float, traffic_bytes: int) -> bool:
        """Whether the round under way is the last by what is known so far; arguments as for ``note``."""
        return (self._measured_stop or self._time(seconds) or self._limit(traffic_bytes)) is not None

    def _note_value(self, number: int, value: float) -> None:
        best = self._best[1] if self._best is not None else nan
        gain = (best - value) if self._less else (value - best)
        if self._best is None or (isfinite(value) and (not isfinite(best) or gain > self._rules.min_change)):
            self._best = number, value

    def _judge_measured(self, number: int, value: float) -> None:
        if self._phase == SERVER_PHASE and number > 0:
            self._measured_stop = self._measured_stop or self._target(number, value) or self._patience(number, value)

    def _judge(self, number: int, value: float | None, seconds: float = 0.0) -> Stop | None:
        rules = self._target(number, value), self._patience(number, value), self._time(seconds), self._limit()
        return next((stop for stop in rules if stop is not None), None)

    def _target(self, number: int, value: float | None) -> Stop | None:
        target = self._rules.target
        if target is None or value is None or not (value <= target if self._less else value >= target):
            return None
        of = f"{self._rules.metric} {value:.6g} in round {number:,}"
        return Stop(StopRule.TARGET, f"Target reached: {of}, the target is {target:g}")

    def _patience(self, number: int, value: float | None) -> Stop | None:
        patience = self._rules.patience
        if patience is None or value is None or self._best is None or number - self._best[0] < patience:
            return None
        best = f"best {self._best[1]:.6g} in round {self._best[0]:,}"
        rounds = f"{patience:,} round{'s' if patience > 1 else ''}"
        return Stop(StopRule.PATIENCE, f"No improvement of {self._rules.metric} for {rounds}: {best}")

    def _time(self, seconds: float) -> Stop | None:
        limit, spent = self._rules.seconds, self._seconds + seconds
        if limit is None or spent < limit:
            return None
        return Stop(StopRule.TIME, f"Time limit reached: {spent:,.0f} s active, the limit is {limit:,.0f} s")

    def _limit(self, more: int = 0) -> Stop | None:
        limit, sent_bytes = self._rules.megabytes, self._traffic + more
        if limit is None or sent_bytes < limit * MEGABYTE:
            return None
        sent = f"{sent_bytes / MEGABYTE:,.1f} MB"
        return Stop(StopRule.TRAFFIC, f"Traffic limit reached: {sent}, the limit is {limit:,.1f} MB")
