"""The query of a comparison: the runs in their order, and every choice of what is shown of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from webapp.formatting import exact
from webapp.pages.runs.grouping import is_grouping
from webapp.pages.runs.query import MAX_LENGTH, Phase

AXES = (("round", "Round"), ("time", "Time"), ("bytes", "Traffic"))
MOST_SMOOTH = 95


@dataclass(frozen=True, slots=True)
class ComparisonQuery:
    """The query of a comparison; ``target`` is as a person typed it, an accuracy in percent; ``smooth`` is the percent
    of a smoothed value that comes from the value before.

    A missing value is the default, and so is one that makes no sense.
    """

    ids: Sequence[int]
    x: str = "round"
    log: bool = False
    smooth: int = 0
    zoom: tuple[float, float] | None = None
    phase: Phase = "evaluate"
    metric: str = ""
    target: float | None = None
    group: str = ""

    @property
    def address(self) -> str:
        """The page's address with all that differs from the defaults."""
        return f"/runs/compare?{urlencode(query)}" if (query := [*self._runs, *self._choices]) else "/runs/compare"

    @property
    def choose(self) -> str:
        """The list of runs, with these chosen."""
        return f"/runs?{urlencode(self._runs)}" if self.ids else "/runs"

    @property
    def _runs(self) -> list[tuple[str, int]]:
        return [("id", run_id) for run_id in self.ids]

    @property
    def _choices(self) -> list[tuple[str, str]]:
        low, high = self.zoom or (None, None)
        chosen = {
            "x": self.x if self.x != "round" else "", "scale": "log" if self.log else "",
            "smooth": str(self.smooth or ""), "from": "" if low is None else exact(low),
            "to": "" if high is None else exact(high), "phase": self.phase if self.phase != "evaluate" else "",
            "metric": self.metric, "target": "" if self.target is None else exact(self.target),
            "group": self.group,
        }  # fmt: skip
        return [(name, value) for name, value in chosen.items() if value]


def comparison_query(ids: Sequence[int], query: Mapping[str, str]) -> ComparisonQuery:
    """Read the query of a comparison."""
    x, metric, smooth = query.get("x"), query.get("metric", ""), _number(query.get("smooth"), 0, MOST_SMOOTH)
    low, high = (_number(query.get(name), 0, 1e18) for name in ("from", "to"))
    return ComparisonQuery(
        ids, x if x in dict(AXES) else "round", query.get("scale") == "log", round(smooth or 0),
        (low, high) if low is not None and high is not None and low < high else None,
        "train" if query.get("phase") == "train" else "evaluate", metric if len(metric) <= MAX_LENGTH else "",
        _number(query.get("target"), -1e18, 1e18), group if is_grouping(group := query.get("group", "")) else "",
    )  # fmt: skip


def _number(text: str | None, least: float, most: float) -> float | None:
    """Read a number; None where the text is none or out of bounds."""
    try:
        value = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return value if least <= value <= most else None
