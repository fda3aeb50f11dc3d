"""What one turn of a contender took, and how turns are put together."""

from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """One turn: the wall time of each round in ms, and what the server and a client spent on one, on average."""

    rounds_ms: list[float]
    cpu_ms: float = 0.0
    client_cpu_ms: float = 0.0
    peak_bytes: int = 0
    idle_bytes: int = 0
    committed: int = 0
    bytes_down: float = 0.0
    bytes_up: float = 0.0

    @property
    def wall_ms(self) -> float:
        """Time of the whole turn over its rounds, waits between rounds among it."""
        return fmean(self.rounds_ms)


@dataclass(frozen=True, slots=True)
class Series:
    """All turns of one contender at one size."""

    name: str
    turns: list[Timing]

    @property
    def wall_ms(self) -> float:
        """Median over the turns of wall time a round."""
        return median(turn.wall_ms for turn in self.turns)

    @property
    def median_ms(self) -> float:
        """Median over all rounds."""
        return median(ms for turn in self.turns for ms in turn.rounds_ms)

    @property
    def least_ms(self) -> float:
        """The fastest round."""
        return min(ms for turn in self.turns for ms in turn.rounds_ms)

    def of(self, name: str) -> float:
        """Median over the turns of another figure."""
        return float(median(getattr(turn, name) for turn in self.turns))

    def to_json(self) -> dict[str, Any]:
        """Return the figures, and each turn's rounds."""
        figures = {name: round(getattr(self, name), 3) for name in ("wall_ms", "median_ms", "least_ms")}
        names = [name for name in asdict(self.turns[0]) if name != "rounds_ms"]
        figures |= {name: round(self.of(name), 3) for name in names}
        return {**figures, "rounds_ms": [[round(ms, 3) for ms in turn.rounds_ms] for turn in self.turns]}


def ratio(these: Series, those: Series) -> float:
    """Return how many times as long ``these`` take: the median over turns that were worked side by side."""
    return median(a.wall_ms / b.wall_ms for a, b in zip(these.turns, those.turns, strict=True))
