"""The log: what happened, in sentences. Who did what, in the present or past tense, with the client's own words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.db.repository.events import StoredEvent
from webapp.formatting import duration, percent, plural, span
from webapp.pages.wording import STATES

WORTH_SAYING = ("run", "note", "round", "reply", "client")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log: its glyph's state, the sentence, and who is behind it."""

    id: int
    run_id: int | None
    at: datetime
    state: str
    text: str
    by: str = ""


def log_lines(events: Iterable[StoredEvent], names: Mapping[int, str], most: int, *, brief: bool = False) -> list[Line]:
    """Put events in sentences, newest first; accepted replies and mere changes of a wait are passed over.

    ``brief`` says only the newest committed round of each run, so that rounds do not hide what went wrong.
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
    """Return the events that say of a client what was said before: it has told more of itself, no more."""
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
        text = "The initial weights were evaluated"
    else:
        train = data.get("outcomes", {}).get("train", {})
        replies = plural(sum(train.values()), "reply", "replies")
        text = f"Round {data['round']} committed, {train.get('accepted', 0)} of {replies}"
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
    where = "before the first round" if data["phase"] == "prepare" else f"in round {data['round']}"
    match outcome:
        case "late":
            return "late", f"{name} was late {where}, its reply was left out", ""
        case "refused":
            return "refused", f"{name}'s reply {where} was refused: {reason}", ""
        case "failed":
            return "failed", f"{name} failed {where}: {reason}", "client's words"
        case "lost":
            return "lost", f"{name} was lost {where}: {reason}", ""
    return None


def _run(event: StoredEvent) -> tuple[str, str, str] | None:
    data = event.data
    state, reason, by = data.get("state"), data.get("reason"), data.get("by")
    who = f"by {by}" if by else ""
    if asked := _asked(data):
        return asked[0], asked[1], who or "by a person"
    if dropped := data.get("unresolved_clients"):
        return "refused", f"No longer selected, as no client or several have the name: {', '.join(dropped)}", ""
    if state not in STATES or not any(data.get(said) for said in ("from", "name", "by")):
        return None  # only what the run waits for has changed
    tail = f": {reason}" if reason else ""
    words = {"waiting": "Started, gathering clients", "running": "Running", "queued": "Put in the queue"}
    return state, words.get(state, STATES[state]) + tail, who


def _asked(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Put a person's wish for a run in words: its glyph's state and the sentence."""
    client = data.get("client")
    match data.get("asked"):
        case "pause":
            return "paused", "A pause is asked for after the round under way"
        case "continue":
            return "running", "The run is to go on"
        case "resume":
            return "resumed", "It may start now"
        case "rounds":
            return "queued", f"{plural(data.get('add', 0), 'round')} added: {data.get('num_rounds')} in all"
        case "exclude":
            return "paused", f"{client} is left out from the next round on"
        case "include":
            return "running", f"{client} is let in again"
        case "min_clients":
            return "running", f"The fewest clients are {data.get('min_clients')} from now on"
        case "wait":
            return "waiting", f"The wait for clients is {span(data.get('seconds', 0))} longer"
        case "front":
            return "queued", "Moved to the front of the queue"
    return None


ONLINE_WORDS = {"prepared": "has built the network over its data", "heard of again": "is heard of again"}


def _client(event: StoredEvent, names: Mapping[int, str]) -> tuple[str, str, str] | None:
    client_id = event.client_id or event.data.get("client_id")
    name = names.get(client_id or 0, f"client {client_id}")
    state, reason = event.data.get("state"), event.data.get("reason")
    if state == "ended":
        return "failed", str(reason), ""
    words = {
        "online": "is online", "offline": "went offline", "stale": "gives no sign", "pending": "asks to join",
        "revoked": "was revoked", "put_aside": "was put aside",
    }.get(str(state))  # fmt: skip
    if words is None:
        return None
    if state == "online" and reason in ONLINE_WORDS:
        words = ONLINE_WORDS[reason]
    glyph = "refused" if state == "put_aside" else str(state)
    return glyph, f"{name} {words}" + (f": {reason}" if reason and state != "online" else ""), ""
