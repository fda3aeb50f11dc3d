"""What is measured, in which sizes, and what must hold. Plain data; nothing here runs."""

from dataclasses import dataclass

KILO, MEGA = 1_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """One federation: ``turns`` times each contender works ``rounds`` rounds, one after the other."""

    clients: int
    parameters: int
    rounds: int
    turns: int = 3

    def __str__(self) -> str:
        unit = f"{self.parameters // MEGA} M" if self.parameters >= MEGA else f"{self.parameters // KILO} k"
        return f"{self.clients} × {unit}"


QUICK = (Size(2, KILO, 100, 5), Size(2, MEGA, 20, 5), Size(10, KILO, 50, 5), Size(10, MEGA, 6, 5))
"""Those that are judged against gRPC."""

FULL = (*QUICK, Size(2, 10 * MEGA, 4), Size(10, 10 * MEGA, 2, 2), Size(50, KILO, 20), Size(50, MEGA, 2, 2))

SMOKE = (Size(2, KILO, 5, 1),)
"""One of each kind, to see that the programs work."""

REAL_CLIENTS = 10
"""Up to so many clients are ``python -m federation.client``; more are connections of a few light processes."""

AGAINST_GRPC = {"2 × 1 k": 1.5, "10 × 1 k": 1.0, "2 × 1 M": 1.0, "10 × 1 M": 1.0}
"""Most that a round may take, as a multiple of a round over flwr's gRPC stream."""

TLS_AGAINST_PLAIN = 2.0
STOCK_AGAINST_MEADOW = 300.0
SUPERNODE_SECONDS = 4.5
FLATNESS = 1.5
AGGREGATION = 2.0
RECORDING_MS, RECORDING_MS_A_CLIENT = 3.0, 0.1
REST_P95_MS = 100.0
MEMORY_MODELS, MEMORY_BYTES = 3, (256 + 100) * 1_000_000
"""A run's memory over that of the idle server: so many models, and so many bytes (the reply budget and 100 MB)."""

SIMULATED, SIMULATION_AGAINST_FLOWER = Size(100, KILO, 10), 0.1
"""Virtual clients that do no work, and the most that their round may take, as a share of one of flwr's simulation."""

CROWD = Size(200, KILO, 10)
"""All of these must come through with nothing lost."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that must hold: the value that was measured, its limit, and which side of it is good."""

    what: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side of its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign, word = ("≥" if self.at_least else "≤"), ("holds" if self.holds else "DOES NOT HOLD")
        return f"{self.what:<68} {self.value:>9.2f}  {sign} {self.limit:<7g} {word}"
