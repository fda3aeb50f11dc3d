"""How a run cuts a data set into the clients' partitions: what decides which samples each of them trains on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from federation.run.choices import Partitioner
from federation.run.networks import needs_dataset


@dataclass(frozen=True, slots=True)
class DataCut:
    """Partitioner, seed, and the concentration of ``dirichlet``. A seed of None is drawn at the start of the run."""

    partitioner: Partitioner
    seed: int | None
    alpha: float | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any], *, drawn: bool = True) -> Self | None:
        """Return the cut of a run's configuration; None for a network that trains on no partitions.

        Without ``drawn`` the seed in the configuration is not the one that the run will have.
        """
        if not needs_dataset(config["network"]):
            return None
        data_seed, partitioner = config.get("data_seed"), config["partitioner"]
        seed = data_seed if data_seed is not None else config["seed"] if drawn else None
        return cls(partitioner, seed, config["dirichlet_alpha"] if partitioner == "dirichlet" else None)

    @classmethod
    def from_json(cls, stored: object) -> Self | None:
        """Return the cut that ``to_json`` wrote; None for anything else."""
        match stored:
            case {
                "partitioner": "iid" | "dirichlet" as partitioner,
                "seed": int(seed),
                "alpha": int() | float() | None as alpha,
            }:
                return cls(partitioner, seed, alpha) if (alpha is None) == (partitioner == "iid") else None
        return None

    def to_json(self) -> dict[str, object]:
        """Return the cut as plain values, to be stored with what a client reports of its partition."""
        return asdict(self)
