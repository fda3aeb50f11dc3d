"""What an entry of the audit log says: who attempted what, on what, from where, and how it ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from webapp.sanitizing import clean_json, clean_text

MAX_NAME, MAX_WORDS, MAX_ADDRESS, MAX_DETAIL = 100, 120, 64, 4000


class Outcome(StrEnum):
    """How an attempt ended: it changed something, was not allowed, or did not succeed."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who: an account or token by its id, else a name. ``kind`` is one of those that the table's column lists."""

    kind: str
    name: str = ""
    id: int | None = None


SERVER = Actor("server", "server")
ANONYMOUS = Actor("anonymous")
LOCAL = Actor("local", "this machine")
"""Who uses a dashboard without accounts."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt; texts may come from strangers, ``values`` makes them fit for the table."""

    actor: Actor
    action: str
    outcome: Outcome = Outcome.DONE
    target: str = ""
    address: str = ""
    status: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def values(self) -> dict[str, Any]:
        """Return the columns of the entry, without id and hashes."""
        detail = clean_json(self.detail)
        if len(json.dumps(detail)) > MAX_DETAIL:
            detail = {"omitted": "too long"}
        return {
            "at": self.at, "actor_kind": self.actor.kind, "actor_id": self.actor.id,
            "actor": clean_text(self.actor.name, MAX_NAME), "action": clean_text(self.action, MAX_WORDS),
            "target": clean_text(self.target, MAX_WORDS), "address": clean_text(self.address, MAX_ADDRESS),
            "outcome": self.outcome.value, "status": self.status, "detail": detail,
        }  # fmt: skip


@dataclass(slots=True)
class Note:
    """What a request adds to its entry.

    ``refusal``: why it was not allowed, in a few words. ``template`` and ``parameters``: of a route that it did not
    reach. ``actor``: who it proved to be. ``is_change``: it may change something although its method says not.
    """

    target: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""
    template: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    actor: Actor | None = None
    is_change: bool = False

    def add_runs(self, run_ids: Sequence[int]) -> None:
        """Name the runs that a request concerned, where its address does not."""
        self.target = ", ".join(f"run {run_id}" for run_id in run_ids)
        if len(run_ids) > 1:
            self.detail["runs"] = list(run_ids)

    def add_client(self, client_id: int, name: str, key: str) -> None:
        """Name the client that a request concerned, as it was then, and the fingerprint of its key."""
        self.target = f"client {client_id}"
        self.detail |= {"name": name, "key": key}
