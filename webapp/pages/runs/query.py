"""What the address of a run's page asks for: every state that a reader can reach stands in the query."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlencode

Cells = Literal["accuracy", "loss", "seconds", "outcome"]
Events = Literal["all", "trouble", "people"]
Phase = Literal["evaluate", "train"]
NAMES = (
    "x", "scale", "smooth", "band", "lines", "from", "to", "phase", "metric",
    "cells", "round", "events", "before", "rounds", "below",
)  # fmt: skip
"""What the charts are asked comes first: their scripts read it themselves, pages only pass it on."""
MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class RunAsked:
    """The query of a run's page. What nobody asks for is as the defaults say; what makes no sense counts as that."""

    run_id: int
    phase: Phase = "evaluate"
    metric: str = ""
    cells: Cells = "accuracy"
    round: int | None = None
    events: Events = "all"
    before: int | None = None
    all_rounds: bool = False
    below: int | None = None
    done: str = ""
    of: int = 0
    count: int = 0
    pairs: Mapping[str, str] = field(default_factory=dict)

    def to(self, **changes: str | int) -> str:
        """Return the page's address with some of it changed; an empty value is left out."""
        asked = {**self.pairs, **{name: str(value) for name, value in changes.items()}}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"/runs/{self.run_id}{'?' if query else ''}{query}"


def asked_of(run_id: int, query: Mapping[str, str]) -> RunAsked:
    """Read a query."""
    pairs = {name: query[name] for name in NAMES if query.get(name) and len(query[name]) <= MAX_LENGTH}
    phase, cells, events = pairs.get("phase"), pairs.get("cells"), pairs.get("events")
    return RunAsked(
        run_id, "train" if phase == "train" else "evaluate", pairs.get("metric", ""),
        next((known for known in get_args(Cells) if known == cells), "accuracy"), _number(pairs.get("round")),
        next((known for known in get_args(Events) if known == events), "all"), _number(pairs.get("before")),
        pairs.get("rounds") == "all", _number(pairs.get("below")), query.get("done", ""),
        _number(query.get("of")) or 0, _number(query.get("count")) or 0, pairs,
    )  # fmt: skip


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None
