"""The fields of the form that starts a run: labels, choices and limits; those of each strategy's options as well."""

from typing import get_args

from federation.run.config import Dataset, Loss, Network, NormRule, Optimizer, Partitioner, StrategyName
from federation.run.strategies import STRATEGIES
from webapp.pages.wording import LOSSES, NETWORKS, NORM_RULES, PARTITIONERS

CHOICES: dict[str, tuple[str, ...]] = {
    "network": tuple(name for name in get_args(Network) if name != "custom"),  # it starts from an upload
    "dataset": get_args(Dataset), "partitioner": get_args(Partitioner), "strategy": get_args(StrategyName),
    "optimizer": get_args(Optimizer), "loss": get_args(Loss), "norm_rule": get_args(NormRule),
}  # fmt: skip
WORDS: dict[str, dict[str, str]] = {
    "network": NETWORKS, "partitioner": PARTITIONERS, "loss": LOSSES, "norm_rule": NORM_RULES,
}  # fmt: skip
LABELS = {
    "name": "Name of the run", "network": "Network", "dataset": "Dataset", "partitioner": "Split",
    "dirichlet_alpha": "Dirichlet α", "strategy": "Strategy", "num_rounds": "Rounds",
    "min_clients": "Fewest clients for a round", "share": "Share in each round, %",
    "local_epochs": "Local epochs a round", "steps_per_epoch": "Steps per epoch", "batch_size": "Batch size",
    "learning_rate": "Learning rate", "optimizer": "Optimizer", "loss": "Loss",
    "round_timeout_seconds": "Round deadline, seconds", "quorum_timeout_seconds": "Wait for clients, seconds",
    "clients": "Clients", "seed": "Seed", "norm_rule": "Updates of unusual length",
    "norm_limit": "Most times the median", "max_weight_share": "Largest share of one client",
    "initial_weights": "Uploaded weights",
    "synthetic_parameters": "Synthetic parameters", "synthetic_seconds": "Synthetic seconds",
}  # fmt: skip
ADVANCED = (
    "batch_size", "steps_per_epoch", "optimizer", "loss", "round_timeout_seconds", "quorum_timeout_seconds", "seed",
    "norm_rule", "norm_limit", "max_weight_share",
)  # fmt: skip
LIMITS: dict[str, tuple[float, float, str]] = {
    "num_rounds": (1, 100_000, "1"), "min_clients": (1, 10_000, "1"), "share": (1, 100, "any"),
    "local_epochs": (1, 1000, "1"), "steps_per_epoch": (1, 1_000_000, "1"), "batch_size": (1, 65_536, "1"),
    "learning_rate": (0, 100, "any"), "dirichlet_alpha": (0, 1000, "any"), "round_timeout_seconds": (1, 86_400, "any"),
    "quorum_timeout_seconds": (1, 604_800, "any"), "seed": (0, 2**31 - 1, "1"), "norm_limit": (1, 1_000_000, "any"),
    "max_weight_share": (0, 1, "any"), "synthetic_parameters": (1, 50_000_000, "1"),
    "synthetic_seconds": (0, 3600, "any"),
}  # fmt: skip


OPTIONS = {
    f"{strategy}.{name}": option
    for strategy, described in STRATEGIES.items()
    for name, option in described.options.items()
}
"""``FedProx.proximal_mu`` and so on: the options of every strategy under names of their own."""

OPTION_DEFAULTS = {name: "" if option.default is None else f"{option.default:g}" for name, option in OPTIONS.items()}
"""What an option is when nobody asks for another value; empty where that is the run's learning rate."""


def option_label(name: str) -> str:
    """Return the name of a strategy's option for people: ``Proximal mu``."""
    return name.replace("_", " ").capitalize()


LABELS |= {field: f"{option_label(field.partition('.')[2])} of {field.partition('.')[0]}" for field in OPTIONS}
LIMITS |= {name: (option.least, option.most, "1" if option.whole else "any") for name, option in OPTIONS.items()}


def choices_of(name: str) -> list[tuple[str, str]]:
    """Return the values of a choice and their words."""
    return [(value, WORDS.get(name, {}).get(value, value)) for value in CHOICES[name]]
