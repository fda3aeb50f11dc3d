"""How a run cuts a data set into the clients' partitions: what decides which samples each of them trains on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from federation.run.choices import Partitioner
from federation.run.networks import is_data_name, needs_dataset

WITH_ALPHA = ("dirichlet", "quantity")


@dataclass(frozen=True, slots=True)
class DataCut:
    """Partitioner, seed, concentration of ``dirichlet`` and ``quantity``, and the classes per client of ``classes``.

    A seed of None is drawn at the start of the run.
    """

    partitioner: Partitioner
    seed: int | None
    alpha: float | None = None
    classes: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any], *, drawn: bool = True) -> Self | None:
        """Return the cut of a run's configuration; None where it trains on no partitions, but on clients' own data.

        Without ``drawn`` the seed in the configuration is not the one that the run will have.
        """
        if not needs_dataset(config["network"]) or is_data_name(config.get("dataset")):
            return None
        data_seed, partitioner = config.get("data_seed"), config["partitioner"]
        seed = data_seed if data_seed is not None else config["seed"] if drawn else None
        alpha = config["dirichlet_alpha"] if partitioner in WITH_ALPHA else None
        return cls(partitioner, seed, alpha, config["classes_per_client"] if partitioner == "classes" else None)

    @classmethod
    def from_json(cls, stored: object) -> Self | None:
        """Return the cut that ``to_json`` wrote; None for anything else."""
        match stored:
            case {
                "partitioner": "iid" | "dirichlet" | "classes" | "quantity" as partitioner,
                "seed": int(seed),
                "alpha": int() | float() | None as alpha,
                **more,
            }:
                classes = more.get("classes")
                if (alpha is not None) != (partitioner in WITH_ALPHA):
                    return None
                if partitioner != "classes" and classes is None:
                    return cls(partitioner, seed, alpha)
                if partitioner == "classes" and isinstance(classes, int):
                    return cls(partitioner, seed, alpha, classes)
        return None

    @property
    def words(self) -> str:
        """The partitioner with its number: ``Dirichlet α 0.3``, ``2 classes per client``."""
        match self.partitioner:
            case "iid":
                return "IID"
            case "dirichlet":
                return f"Dirichlet α {self.alpha:g}"
            case "classes":
                return f"{self.classes} class{'' if self.classes == 1 else 'es'} per client"
            case "quantity":
                return f"sizes by Dirichlet α {self.alpha:g}"

    def to_json(self) -> dict[str, object]:
        """Return the cut as plain values, to be stored with what a client reports of its partition."""
        return asdict(self)
