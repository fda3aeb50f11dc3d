"""The kinds of runs, and which options each kind has."""

from typing import Literal, get_args

RunKind = Literal["training", "evaluation", "statistics"]
KINDS: dict[RunKind, str] = {
    "training": "Training", "evaluation": "Evaluation only", "statistics": "Statistics of own data",
}  # fmt: skip
"""``evaluation``: clients, the server, or both evaluate weights that exist; nothing is trained and none are saved.
``statistics``: clients with own data count their rows; there are no weights at all."""

MODEL = frozenset({
    "network", "hidden_units", "filters", "dropout", "activation", "image_size", "synthetic_parameters", "node_app",
    "app_config",
})  # fmt: skip
"""Options that say what the weights are: those of the run that trained them."""
DATA = frozenset({
    "dataset", "partitioner", "dirichlet_alpha", "classes_per_client", "feature_noise", "loss", "seed", "data_seed",
    "min_clients", "minimize_metrics", "maximize_metrics",
})  # fmt: skip
"""Options that an evaluation takes over from the run that trained the weights unless it has its own."""
ONLY_EVALUATION = frozenset({"evaluated_run", "evaluated_round", "client_evaluation"})
OF_EVALUATION = MODEL | DATA | ONLY_EVALUATION | {
    "kind", "name", "initial_weights", "clients", "round_timeout_seconds", "quorum_timeout_seconds", "client_metrics",
    "server_evaluation",
}  # fmt: skip


OF_STATISTICS = frozenset({
    "kind", "name", "dataset", "clients", "min_clients", "round_timeout_seconds", "quorum_timeout_seconds",
})  # fmt: skip


def has_option(kind: object, name: str) -> bool:
    """Say whether runs of a kind have an option; one of a strategy belongs to training."""
    if kind == "evaluation":
        return name in OF_EVALUATION
    return name in OF_STATISTICS if kind == "statistics" else name not in ONLY_EVALUATION


def kinds_with(name: str) -> list[RunKind]:
    """Return the kinds of runs that have an option."""
    return [kind for kind in get_args(RunKind) if has_option(kind, name)]
