"""The event log in sentences: runs, rounds, rejected and missing replies, clients, and the actions of users."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.db.repository.events import StoredEvent
from webapp.formatting import count, duration, percent, plural, span
from webapp.pages.wording import STATES

WORTH_SAYING = ("run", "note", "round", "reply", "client")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log: the state of its glyph, the sentence, and who caused the event."""

    id: int
    run_id: int | None
    at: datetime
    state: str
    text: str
    by: str = ""


def log_lines(events: Iterable[StoredEvent], names: Mapping[int, str], most: int, *, brief: bool = False) -> list[Line]:
    """Return a line for each event that says something new, newest first; accepted replies have no line.

    With ``brief`` only the newest completed round of each run has a line, so that rounds do not hide problems.
    """
    lines: list[Line] = []
    told: set[int | None] = set()
    seen = list(events)
    repeated = _repeated(seen)
    for event in seen:
        if len(lines) == most:
            break
        if event.id in repeated:
            continue
        if brief and event.type == "round" and event.data.get("committed"):
            if event.run_id in told:
                continue
            told.add(event.run_id)
        if said := _sentence(event, names):
            state, text, by = said
            lines.append(Line(event.id, event.run_id, event.at, state, text, by))
    return lines


def _repeated(newest_first: Sequence[StoredEvent]) -> set[int]:
    """Return the ids of client events that repeat the client's state, because only its description has changed."""
    state: dict[int, str] = {}
    repeated = set()
    for event in reversed(newest_first):
        if event.type == "client" and event.client_id is not None:
            if state.get(event.client_id) == event.data.get("state"):
                repeated.add(event.id)
            state[event.client_id] = str(event.data.get("state"))
    return repeated


def _sentence(event: StoredEvent, names: Mapping[int, str]) -> tuple[str, str, str] | None:
    data = event.data
    match event.type:
        case "round" if data.get("committed"):
            return "completed", _committed(event), ""
        case "round":
            return "failed", f"Attempt at round {data['round']} failed: {data.get('reason')}", ""
        case "reply":
            return _reply(event, names)
        case "run":
            return _run(event)
        case "note":
            return "refused", str(data.get("sentence")), ""
        case "client":
            return _client(event, names)
    return None


def _committed(event: StoredEvent) -> str:
    data = event.data
    if data["round"] == 0:
        text = "Initial weights evaluated"
    else:
        train = data.get("outcomes", {}).get("train", {})
        updates = plural(sum(train.values()), "update")
        text = f"Round {count(data['round'])} completed, {count(train.get('accepted', 0))} of {updates}"
    accuracy = (data.get("metrics") or {}).get("evaluate_accuracy")
    parts = [f"accuracy {percent(accuracy)}"] if accuracy is not None else []
    return f"{text}: {', '.join([*parts, duration(data.get('seconds'))])}"


def _reply(event: StoredEvent, names: Mapping[int, str]) -> tuple[str, str, str] | None:
    data = event.data
    name, outcome, reason = (
        names.get(data["client_id"], f"client {data['client_id']}"),
        data["outcome"],
        data.get("reason"),
    )
    where = "while preparing" if data["phase"] == "prepare" else f"in round {count(data['round'])}"
    match outcome:
        case "late":
            return "late", f"{name} was late {where}: reply not counted", ""
        case "refused":
            return "refused", f"{name}: reply {where} rejected, {reason}", ""
        case "failed":
            return "failed", f"{name} failed {where}: {reason}", "reported by client"
        case "lost":
            return "lost", f"{name} was lost {where}: {reason}", ""
    return None


def _run(event: StoredEvent) -> tuple[str, str, str] | None:
    data = event.data
    state, reason, by = data.get("state"), data.get("reason"), data.get("by")
    who = f"by {by}" if by else ""
    if asked := _asked(data):
        return asked[0], asked[1], who or "by a user"
    if dropped := data.get("unresolved_clients"):
        return "refused", f"No longer selected, the name is unknown or not unique: {', '.join(dropped)}", ""
    if state not in STATES or not any(data.get(said) for said in ("from", "name", "by")):
        return None  # only what the run waits for has changed
    tail = f": {reason}" if reason else ""
    words = {"waiting": "Waiting for clients"}
    return state, words.get(state, STATES[state]) + tail, who


def _asked(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a user's action on a run in words: the state of its glyph and the sentence."""
    client = data.get("client")
    match data.get("asked"):
        case "pause":
            return "paused", "Pause requested: after the current round"
        case "continue":
            return "running", "Continued"
        case "resume":
            return "resumed", "Start requested after a restart of the server"
        case "rounds":
            return "queued", f"{plural(data.get('add', 0), 'round')} added, {count(data.get('num_rounds'))} in total"
        case "exclude":
            return "paused", f"{client} excluded from the next round on"
        case "include":
            return "running", f"{client} included again"
        case "min_clients":
            return "running", f"Minimum clients per round set to {count(data.get('min_clients'))}"
        case "wait":
            return "waiting", f"Client wait timeout extended by {span(data.get('seconds', 0))}"
        case "front":
            return "queued", "Moved to the front of the queue"
    return None


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
    if state == "online" and reason in ONLINE_WORDS:
        words = ONLINE_WORDS[reason]
    glyph = "refused" if state == "put_aside" else str(state)
    return glyph, f"{name} {words}" + (f": {reason}" if reason and state != "online" else ""), ""
