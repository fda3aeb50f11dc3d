"""Event streams: each event once and in order, whatever happens to the connection."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from federation.run.events import Progress
from federation.run.states import RunState
from tests.support.dashboard import Dashboard
from tests.support.processes import wait_until
from tests.webapp.routes.api.test_metrics import add_client, add_run, play

Events = list[dict[str, Any]]


def ids(events: Events) -> list[int]:
    return [int(event["id"]) for event in events if event["id"]]


def while_streaming(
    dashboard: Dashboard, path: str, enough: Callable[[Events], bool], act: Callable[[], object]
) -> Events:
    """Open a stream, do something once it is heard, and return what it told."""
    result: list[Events] = []
    before = dashboard.parts.event_hub.stream_count
    thread = threading.Thread(target=lambda: result.append(dashboard.stream(path, enough)))
    thread.start()
    wait_until(lambda: dashboard.parts.event_hub.stream_count > before, what="the stream")
    act()
    thread.join(20)
    assert result, "the stream ended by an error"
    return result[0]


def test_a_round_reaches_a_stream_with_the_last_metric_id(dashboard: Dashboard) -> None:
    run_id, a = add_run(dashboard), add_client(dashboard, "site-a")
    events = while_streaming(
        dashboard, f"/api/runs/{run_id}/events", lambda events: events[-1]["event"] == "round",
        lambda: play(dashboard, run_id, 1, [a], loss=1.0),
    )  # fmt: skip
    data = events[-1]["data"]
    assert (data["id"], data["run_id"], data["round"], data["committed"]) == (ids(events)[-1], run_id, 1, True)
    points = dashboard.http.get(f"/api/runs/{run_id}/metrics").json()
    assert data["last_metric_id"] == points["last_id"]
    assert data["at"].endswith("Z")


def test_a_round_is_heard_of_at_once(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    delays: list[float] = []

    def enough(events: Events) -> bool:
        if events[-1]["event"] == "round":
            delays.append(time.monotonic() - sent[-1])
            heard.set()
        return len(delays) == 10

    sent: list[float] = []
    heard = threading.Event()

    def act() -> None:
        for number in range(10):
            heard.clear()
            sent.append(time.monotonic())
            play(dashboard, run_id, number, [], loss=1.0)
            assert heard.wait(5)

    while_streaming(dashboard, f"/api/runs/{run_id}/events", enough, act)
    print(f"\ncommitted to heard: median {sorted(delays)[5] * 1000:.1f} ms, most {max(delays) * 1000:.1f} ms")
    assert sorted(delays)[5] < 0.25, "a stream that asks again and again would take its interval"


def test_a_cut_stream_goes_on_after_the_last_event_it_had(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    for number in range(4):
        play(dashboard, run_id, number, [], loss=1.0)
    path = f"/api/runs/{run_id}/events"
    first = dashboard.stream(path, lambda events: len(events) == 3)
    for number in range(4, 8):
        play(dashboard, run_id, number, [], loss=1.0)
    rest = dashboard.stream(
        path, lambda events: events[-1]["data"].get("round") == 7, **{"Last-Event-ID": first[-1]["id"]}
    )
    whole = dashboard.stream(path, lambda events: events[-1]["data"].get("round") == 7)
    assert ids(first) + ids(rest) == ids(whole)
    by_query = dashboard.stream(f"{path}?after={first[-1]['id']}", lambda events: events[-1]["data"].get("round") == 7)
    assert ids(by_query) == ids(rest)


def test_what_is_committed_while_a_stream_begins_comes_once(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            play(dashboard, run_id, number, [], loss=1.0)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            last = ids(dashboard.stream(f"/api/runs/{run_id}/events", lambda events: len(events) >= 3))[-1]
            events = dashboard.stream(f"/api/runs/{run_id}/events?after={last}", lambda events: len(events) >= 100)
            assert ids(events)[0] == last + 1
            assert ids(events) == list(range(last + 1, last + 1 + len(events)))
    finally:
        over.set()
        writer.join(10)


def test_the_stream_of_everything_begins_now_unless_told_from_where(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    events = while_streaming(
        dashboard, "/api/events", lambda events: events[-1]["event"] == "round",
        lambda: play(dashboard, run_id, 1, [], loss=1.0),
    )  # fmt: skip
    assert [event["event"] for event in events] == ["round"]
    events = dashboard.stream("/api/events?after=0", lambda events: events[-1]["event"] == "round")
    assert [event["data"]["state"] for event in events[:-1]] == ["queued", "waiting", "running"]


def test_too_much_to_catch_up_with_is_a_reset(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    for number in range(1001):
        play(dashboard, run_id, number, [])
    events = dashboard.stream("/api/events?after=0", lambda events: True)
    assert events[0]["event"] == "reset"
    newest = dashboard.stream(f"/api/runs/{run_id}/events?after=5", lambda events: len(events) == 999)[-1]
    assert int(events[0]["id"]) == events[0]["data"]["id"] == int(newest["id"])


def test_from_its_beginning_a_run_tells_all_however_much_it_is(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    for number in range(1001):
        play(dashboard, run_id, number, [])
    events = while_streaming(
        dashboard, f"/api/runs/{run_id}/events", lambda _: False,
        lambda: dashboard.parts.runs.move(run_id, RunState.COMPLETED),
    )  # fmt: skip
    rounds = [event["data"]["round"] for event in events if event["event"] == "round"]
    assert rounds == list(range(1001))
    assert ids(events) == sorted(set(ids(events)))
    assert events[-1]["data"]["state"] == "completed"


def test_the_stream_of_a_run_ends_when_the_run_is_deleted(dashboard: Dashboard) -> None:
    dashboard.start_run()
    queued = dashboard.start_run()
    events = while_streaming(
        dashboard, f"/api/runs/{queued}/events", lambda _: False,
        lambda: dashboard.http.delete(f"/api/runs/{queued}"),
    )  # fmt: skip
    assert (events[-1]["data"]["state"], events[-1]["data"]["run_id"]) == ("deleted", queued)


def test_a_finished_run_sends_what_is_left_then_204(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    path = f"/api/runs/{run_id}/events"

    def act() -> None:
        assert dashboard.parts.runs.move(run_id, RunState.FAILED, "broken")

    events = while_streaming(dashboard, path, lambda _: False, act)
    assert events[-1]["data"]["state"] == "failed", "the stream ends with the run"
    assert dashboard.stream(path, lambda _: False) == events
    for position in ({"params": {"after": events[-1]["id"]}}, {"headers": {"Last-Event-ID": events[-1]["id"]}}):
        assert dashboard.http.get(path, **position).status_code == 204  # type: ignore[arg-type]
    assert dashboard.http.get(path, params={"after": 2**53 - 1}).status_code == 204


def test_progress_comes_without_an_id_and_leaves_nothing_behind(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    progress = Progress(4, run_id, 1, "train", "training", 3, 10, float("nan"))
    events = while_streaming(
        dashboard, f"/api/runs/{run_id}/events", lambda events: events[-1]["event"] == "progress",
        lambda: dashboard.parts.event_hub.publish_progress(progress),
    )  # fmt: skip
    event = events[-1]
    assert event["id"] is None
    assert event["data"]["id"] is None
    assert (event["data"]["client_id"], event["data"]["batch"], event["data"]["loss"]) == (4, 3, None)
    with_all = dashboard.stream(f"/api/runs/{run_id}/events", lambda events: len(events) == 3)
    assert "progress" not in {event["event"] for event in with_all}


def test_a_reply_of_a_slow_round_and_a_client_are_heard_of(dashboard: Dashboard) -> None:
    def act() -> None:
        stage.add("site-a")
        dashboard.wait_for_clients(1)

    with dashboard.stage() as stage:
        events = while_streaming(dashboard, "/api/events", lambda events: events[-1]["event"] == "client", act)
    data = events[-1]["data"]
    assert (data["name"], data["state"], data["run_id"]) == ("site-a", "online", None)


def test_streams_end_when_the_dashboard_does(dashboard: Dashboard) -> None:
    began: list[float] = []

    def act() -> None:
        began.append(time.monotonic())
        dashboard.server.should_exit = True

    assert while_streaming(dashboard, "/api/events", lambda _: False, act) == []
    assert time.monotonic() - began[0] < 3


@pytest.mark.parametrize("after", ["-1", "x", str(2**53)])
def test_a_bad_position_is_refused(dashboard: Dashboard, after: str) -> None:
    assert dashboard.http.get(f"/api/events?after={after}").status_code == 422


def test_a_last_event_id_that_is_no_number_is_passed_over(dashboard: Dashboard) -> None:
    add_run(dashboard)
    events = dashboard.stream("/api/events?after=0", lambda events: len(events) == 3, **{"Last-Event-ID": "abc"})
    assert len(events) == 3
