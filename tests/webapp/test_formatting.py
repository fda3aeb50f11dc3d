"""How pages write numbers: one way for each kind."""

from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest

from webapp.formatting import (
    about,
    change,
    clock,
    count,
    countdown,
    day,
    duration,
    iso,
    local,
    loss,
    percent,
    plural,
    size,
)

T = "\u202f"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.713, f"71.3{T}%"), (1.0, f"100.0{T}%"), (0, f"0.0{T}%"), (-0.05, f"−5.0{T}%"), (None, "–"), (nan, "NaN"),
     (-inf, "−infinite")],
)  # fmt: skip
def test_an_accuracy(value: float | None, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.8164, "0.816"), (-1.5, "−1.500"), (12345.6, "1.23e+4"), (None, "–"), (nan, "NaN")]
)
def test_a_loss(value: float | None, text: str) -> None:
    assert loss(value) == text


def test_a_change() -> None:
    assert change(0.713, 0.711, "accuracy") == f"+0.2{T}pt"
    assert change(0.71, 0.73, "accuracy") == f"−2.0{T}pt"
    assert change(0.816, 0.837, "loss") == "−0.021"
    assert change(0.71, 0.7101, "accuracy") == change(0.71, 0.71, "accuracy") == f"0.0{T}pt"
    assert change(0.8, 0.8001, "loss") == "0.000"
    assert change(0.8, None, "loss") == change(nan, 0.1, "accuracy") == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0204, f"20{T}ms"), (0.4, f"0.4{T}s"), (46.92, f"46.9{T}s"), (59.94, f"59.9{T}s"), (59.96, f"1{T}min 00{T}s"),
        (60, f"1{T}min 00{T}s"), (1421.7, f"23{T}min 41{T}s"), (3720, f"1{T}h 02{T}min"), (172800, f"2{T}d 00{T}h"),
        (270_000, f"3{T}d 03{T}h"), (None, "–"), (inf, "–"),
    ],
)  # fmt: skip
def test_a_span_of_time(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_an_estimate_is_called_one_and_is_no_finer_than_it_deserves() -> None:
    assert [about(s) for s in (0.2, 44.7, 870, 5400)] == [
        f"about 1{T}s", f"about 45{T}s", f"about 14{T}min", f"about 1{T}h 30{T}min",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, f"0{T}B"), (999, f"999{T}B"), (8200, f"8.2{T}kB"), (38_440, f"38.4{T}kB"), (999_400, f"999{T}kB"),
     (999_600, f"1{T}MB"), (143_200_000, f"143{T}MB"), (78_660_000_000, f"78.7{T}GB"), (3.08e12, f"3.08{T}TB"),
     (None, "–")],
)  # fmt: skip
def test_an_amount_of_bytes(amount: float | None, text: str) -> None:
    assert size(amount) == text


def test_counts_and_countdowns() -> None:
    assert count(2_236_682) == "2,236,682"
    assert (plural(1, "client"), plural(0, "client"), plural(3, "reply", "replies")) == (
        "1 client",
        "0 clients",
        "3 replies",
    )
    assert [countdown(s) for s in (522.9, 9, -3, 3725)] == ["8:42", "0:09", "0:00", "1:02:05"]


def test_moments_are_clock_times_until_they_are_a_day_old() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    at = local(now - timedelta(hours=3))
    assert clock(at, now) == f"{at:%H:%M:%S}"
    assert clock(now - timedelta(days=3), now) == "21 Nov"
    assert day(local(now).replace(hour=0, minute=5), local(now)) == "00:05 today"
    assert day(local(now) - timedelta(days=1), now) == "yesterday"
    assert day(datetime(2025, 3, 5, 12, tzinfo=UTC), now) == "5 Mar 2025"
    assert iso(now) == "2026-11-24T12:00:00Z"
    assert (clock(None), day(None), iso(None)) == ("–", "–", "")
