"""static/js/numbers.js writes what webapp/formatting.py writes."""

import time
from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest

from tests.browser.scripts.conftest import Scripts
from webapp import formatting

MANTISSAS = (1.0, 1.2344, 2.7183, 4.99, 6.6261, 9.949, 9.951, 9.9951)
NUMBERS = [sign * m * 10.0**power for power in range(-9, 16) for m in MANTISSAS for sign in (1, -1)]
EXTREMES = [None, nan, inf, -inf, 0.0, 1e-308]
AMOUNTS = [0, 1, 512, 999, 999.4, 999_499, 999_501, 9_949_000, 9_951_000, 999_400_000, 78.66e9, 3.08e12, 1.5e13]
SECONDS = [0.0, 0.0004, 0.0994, 0.0996, 1.04, 59.94, 59.96, 60.0, 3599.4, 3599.96, 3600.0, 7384.2, 172_799.0, 172_801.0]


@pytest.mark.parametrize("name", ["percent", "loss"])
def test_metrics_are_written_alike(scripts: Scripts, name: str) -> None:
    values = NUMBERS + EXTREMES
    written = scripts.run("numbers.js", f"({{ {name} }}, values) => values.map({name})", values)
    assert written == [getattr(formatting, name)(value) for value in values]


def test_a_loss_near_the_largest_float_is_written_alike(scripts: Scripts) -> None:
    values = [1.7e308, -1.7e308, 1e100, 2.5e21]
    written = scripts.run("numbers.js", "({ loss }, values) => values.map(loss)", values)
    assert written == [formatting.loss(value) for value in values]


@pytest.mark.parametrize("name", ["accuracy", "loss"])
def test_changes_are_written_alike(scripts: Scripts, name: str) -> None:
    pairs = [(now, before) for now in (*NUMBERS[::7], *EXTREMES) for before in (0.4999, -3.1, inf, nan, None)]
    written = scripts.run(
        "numbers.js", "({ change }, [pairs, name]) => pairs.map(([now, before]) => change(now, before, name))",
        [pairs, name],
    )  # fmt: skip
    assert written == [formatting.change(now, before, name) for now, before in pairs]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("count", [0, 7, 999, 1000, 9610, 2_236_682, 1_000_000_000, -1234]),
        ("size", AMOUNTS),
        ("duration", [*SECONDS, None, nan, inf]),
        ("countdown", [*SECONDS, -3.0]),
    ],
)
def test_counts_sizes_and_times_are_written_alike(
    scripts: Scripts, name: str, values: list[int | float | None]
) -> None:
    written = scripts.run("numbers.js", f"({{ {name} }}, values) => values.map((value) => {name}(value))", values)
    assert written == [getattr(formatting, name)(value) for value in values]


@pytest.mark.parametrize("name", ["clock", "day"])
def test_moments_are_written_alike(scripts: Scripts, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")  # as the page has it
    time.tzset()
    now = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    ages = (0, 1, 3599, 12 * 3600, 86399, 86400, 86401, 36 * 3600, 40 * 86400, 70 * 86400, 400 * 86400)
    moments = [now - timedelta(seconds=age) for age in ages]
    written = scripts.run(
        "numbers.js", f"({{ {name} }}, [moments, now]) => moments.map((at) => {name}(new Date(at), new Date(now)))",
        [[moment.isoformat() for moment in moments], now.isoformat()],
    )  # fmt: skip
    assert written == [getattr(formatting, name)(moment, now) for moment in moments]
    monkeypatch.undo()
    time.tzset()
