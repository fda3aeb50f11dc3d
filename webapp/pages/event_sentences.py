"""The event log in sentences: runs, rounds, rejected and missing replies, clients, and the actions of users."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.db.repository.events import StoredEvent
from webapp.formatting import count, duration, metric, plural, span
from webapp.pages.measure import MAIN
from webapp.pages.wording import STATES

LOCAL = "local"
"""Stands for who acts where there are no accounts."""
WORTH_SAYING = ("run", "note", "round", "reply", "client", "experiment")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log: the state of its glyph, the sentence, and who caused the event.

    ``oldest_id`` is that of the oldest event which the line stands for.
    """

    at: datetime
    state: str
    text: str
    by: str
    oldest_id: int


def log_lines(
    events: Iterable[StoredEvent], names: Mapping[int, str], most: int, *, brief: bool = False, name_runs: bool = False
) -> list[Line]:
    """Return a line for each event that says something new, newest first; accepted replies have no line.

    Replies of one client with the same problem in one run are one line, at the newest of them. With ``brief`` only the
    newest completed round of each run has a line, so that rounds do not hide problems. ``name_runs``: each line begins
    with the number of its run.
    """
    groups: dict[Hashable, list[StoredEvent]] = {}
    seen = list(events)
    repeated = _repeated(seen)
    for event in seen:
        key = _group(event, brief=brief)
        if event.id in repeated or (key not in groups and _sentence([event], names) is None):
            continue
        if key not in groups and len(groups) == most:
            break
        groups.setdefault(key, []).append(event)
    lines = []
    for group in groups.values():
        if said := _sentence(group, names):
            state, text, by = said
            if name_runs and group[0].run_id is not None:
                text = f"#{group[0].run_id}: {text}"
            lines.append(Line(group[0].at, state, text, by, oldest_id=group[-1].id))
    return lines


def _group(event: StoredEvent, *, brief: bool) -> Hashable:
    """Return what the events that share a line have in common."""
    if event.type == "reply":
        return event.run_id, event.data["client_id"], event.data["outcome"], event.data.get("reason")
    if brief and event.type == "round" and event.data.get("committed"):
        return event.run_id
    return event.type, event.id


def _repeated(newest_first: Sequence[StoredEvent]) -> set[int]:
    """Return the ids of client events that repeat the client's state, because only its description has changed."""
    state: dict[int, str] = {}
    repeated = set()
    for event in reversed(newest_first):
        if event.type == "client" and event.client_id is not None:
            if state.get(event.client_id) == event.data.get("state") and not event.data.get("changes"):
                repeated.add(event.id)
            state[event.client_id] = str(event.data.get("state"))
    return repeated


def _sentence(group: Sequence[StoredEvent], names: Mapping[int, str]) -> tuple[str, str, str] | None:
    """Return state, sentence and originator of the newest event of a group; only replies are counted."""
    event = group[0]
    data = event.data
    match event.type:
        case "round" if data.get("committed"):
            return "completed", _committed(event), ""
        case "round":
            return "failed", f"Attempt at round {count(data['round'])} failed: {data.get('reason')}", ""
        case "reply":
            return _reply(group, names)
        case "run":
            return _run(event)
        case "note":
            return "refused", str(data.get("sentence")), ""
        case "client":
            return _client(event, names)
        case "experiment":
            return _experiment(data)
    return None


def _committed(event: StoredEvent) -> str:
    data = event.data
    if data["round"] == 0 and data.get("saved") is False:  # of a run that only evaluates
        text = "Weights evaluated"
    elif data["round"] == 0:
        text = "Initial weights evaluated" if data.get("outcomes") else "Initial weights saved without an evaluation"
    else:
        train = data.get("outcomes", {}).get("train", {})
        updates = plural(sum(train.values()), "update")
        text = f"Round {count(data['round'])} completed, {count(train.get('accepted', 0))} of {updates}"
    metrics = data.get("metrics") or {}
    known = [f"{n} {metric(value, n)}" for n in MAIN if (value := metrics.get(f"evaluate_{n}")) is not None]
    return f"{text}: {', '.join([*known[:1], duration(data.get('seconds'))])}"


def _reply(group: Sequence[StoredEvent], names: Mapping[int, str]) -> tuple[str, str, str] | None:
    data = group[0].data
    name, reason = names.get(data["client_id"], f"client {data['client_id']}"), data.get("reason")
    where = _where([one.data for one in group])
    match data["outcome"]:
        case "late":
            return "late", f"{name} was late {where}: reply not counted", ""
        case "refused":
            replies = "reply" if len(group) == 1 else "replies"
            return "refused", f"{name}: {replies} {where} rejected, {reason}", ""
        case "failed":
            return "failed", f"{name} failed {where}: {reason}", "reported by client"
        case "lost":
            return "lost", f"{name} was lost {where}: {reason}", ""
    return None


def _where(replies: Sequence[Mapping[str, Any]]) -> str:
    """Say when the replies of a group came: in which rounds, and how many they are."""
    if all(one["phase"] == "prepare" for one in replies):
        return "while preparing" + (f", {count(len(replies))} times" if len(replies) > 1 else "")
    first, last = (pick(one["round"] for one in replies) for pick in (min, max))
    rounds = f"in round {count(last)}" if first == last else f"in rounds {count(first)} to {count(last)}"
    return rounds if len(replies) == 1 else f"{rounds}, {count(len(replies))} times"


def by_whom(by: str | None) -> str:
    """Return the end of a sentence that says who acted; empty where nobody knows."""
    return "on this machine" if by == LOCAL else f"by {by}" if by else ""


def _run(event: StoredEvent) -> tuple[str, str, str] | None:
    data = event.data
    state, reason, by = data.get("state"), data.get("reason"), data.get("by")
    who = by_whom(by)
    if asked := _asked(data):
        return asked[0], asked[1], who or "by a user"
    if dropped := data.get("unresolved_clients"):
        return "refused", f"No longer selected, the name is unknown or not unique: {', '.join(dropped)}", ""
    if state not in STATES or not any(data.get(said) for said in ("from", "name", "by")):
        return None  # only what the run waits for has changed
    word = {"waiting": "Waiting for clients"}.get(state, STATES[state])
    if state == "completed" and reason and not data.get("stop_rule"):
        return state, reason, who  # says that it is completed
    return state, word + (f": {reason}" if reason else ""), who


def _experiment(data: Mapping[str, Any]) -> tuple[str, str, str]:
    state = str(data["state"])
    word = {"running": "resumed" if data.get("from") else "started"}.get(state, state)
    return state, f"Experiment {count(data['experiment_id'])}, {data['name']}: {word}", by_whom(data.get("by"))


def _asked(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a user's action on a run in words: the state of its glyph and the sentence."""
    added, client = plural(data.get("add", 0), "round"), data.get("client")
    return {
        "pause": ("paused", "Pause requested: after the current round"),
        "continue": ("running", "Continued"),
        "resume": ("resumed", "Start requested after a restart of the server"),
        "rounds": ("queued", f"{added} added, {count(data.get('num_rounds'))} in total"),
        "exclude": ("paused", f"{client} excluded from the next round on"),
        "include": ("running", f"{client} included again"),
        "min_clients": ("running", f"Minimum clients per round set to {count(data.get('min_clients'))}"),
        "wait": ("waiting", f"Client wait timeout extended by {span(data.get('seconds', 0))}"),
        "rename": ("completed", f"Renamed to {data.get('to')}"),
        "pin": ("completed", "Pinned: checkpoints and events are kept"),
        "unpin": ("completed", "No longer pinned"),
        "front": ("queued", "Moved to the front of the queue"),
    }.get(str(data.get("asked")))


ONLINE_WORDS = {"prepared": "is prepared for the run", "responding again": "is responding again"}


def _client(event: StoredEvent, names: Mapping[int, str]) -> tuple[str, str, str] | None:
    client_id = event.client_id or event.data.get("client_id")
    name = names.get(client_id or 0, f"client {client_id}")
    state, reason = event.data.get("state"), event.data.get("reason")
    if state == "ended":
        return "failed", str(reason), ""
    words = {
        "online": "is online", "offline": "went offline", "stale": "is not responding",
        "pending": "is pending approval", "revoked": "was revoked", "put_aside": "was suspended",
    }.get(str(state))  # fmt: skip
    if words is None:
        return None
    if changes := event.data.get("changes"):
        return "refused", f"{name} connected or disconnected {count(changes)} times more, and {words}", ""
    if state == "online" and reason in ONLINE_WORDS:
        words = ONLINE_WORDS[reason]
    glyph = "refused" if state == "put_aside" else str(state)
    return glyph, f"{name} {words}" + (f": {reason}" if reason and state != "online" else ""), ""
