"""The query of a run's page: every view of a run has an address, so the query holds each choice of a reader."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args
from urllib.parse import urlencode

from webapp.sanitizing import whole_number

Events = Literal["all", "trouble", "people"]
Phase = Literal["evaluate", "train"]
NAMES = (
    "x", "scale", "smooth", "band", "lines", "from", "to", "phase", "metric",
    "cells", "round", "events", "before", "rounds", "below", "confusion",
    "q", "chips", "clients", "heatmap", "timeline",
)  # fmt: skip
"""The first line is what the charts show: their scripts read it themselves, pages only pass it on. The last four are
pages of the clients of a part."""
MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class RunQuery:
    """The query of a run's page. A missing value is the default, and so is one that makes no sense."""

    run_id: int
    phase: Phase = "evaluate"
    metric: str = ""
    cells: str = ""
    """What the cells of the heatmap show; empty or unknown: the metric that the page opens on."""
    round: int | None = None
    events: Events = "all"
    before: int | None = None
    all_rounds: bool = False
    confusion: int | None = None
    """The round of the clients' confusion matrix; None: the newest one."""
    below: int | None = None
    pairs: Mapping[str, str] = field(default_factory=dict)

    def of_reported(self, metrics: Iterable[str]) -> "RunQuery":
        """Return the query with training as its phase if no phase is chosen and the run's metrics are of training."""
        phases = {name.partition("_")[0] for name in metrics}
        return replace(self, phase="train") if phases == {"train"} and "phase" not in self.pairs else self

    @property
    def q(self) -> str:
        """Which clients the parts of the page show: those with this text in their names."""
        return self.pairs.get("q", "").strip()

    def page_of(self, part: str) -> int:
        """Return the page of a part's clients; 0 for the first few."""
        return whole_number(self.pairs.get(part), most=10**6) or 0

    def to(self, **changes: str | int) -> str:
        """Return the page's address with some values changed; an empty value is omitted."""
        values = {**self.pairs, **{name: str(value) for name, value in changes.items()}}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"/runs/{self.run_id}{'?' if query else ''}{query}"


def run_query(run_id: int, query: Mapping[str, str]) -> RunQuery:
    """Read the query of a run's page."""
    pairs = {name: query[name] for name in NAMES if query.get(name) and len(query[name]) <= MAX_LENGTH}
    events = pairs.get("events")
    return RunQuery(
        run_id,
        phase="train" if pairs.get("phase") == "train" else "evaluate",
        metric=pairs.get("metric", ""),
        cells=pairs.get("cells", ""),
        round=whole_number(pairs.get("round")),
        events=next((known for known in get_args(Events) if known == events), "all"),
        before=whole_number(pairs.get("before")),
        all_rounds=pairs.get("rounds") == "all",
        confusion=whole_number(pairs.get("confusion")),
        below=whole_number(pairs.get("below")),
        pairs=pairs,
    )
