"""Flower's strategies by name: a description, the options with their defaults, the clients that each needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Options = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StrategyOption:
    """One number that a strategy takes, from ``least`` to ``most``, or ``below`` it. ``default`` None: the run's
    learning rate. ``label`` and ``words`` are what people read. ``ignored``: the option changes nothing; it is
    accepted, because Flower's class takes it, but not offered.
    """

    label: str
    default: float | None
    least: float
    most: float
    words: str
    whole: bool = False
    below: bool = False
    ignored: bool = False

    def refuse(self, value: float) -> str | None:
        """Return what is wrong with a value, or None."""
        if self.whole and value != int(value):
            return "must be a whole number"
        if not self.least <= value <= self.most or (self.below and value == self.most):
            return f"must be from {self.least:g} to {'below ' if self.below else ''}{self.most:g}"
        return None


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy in words, its options by name, and how many clients it ``needs`` with the options it has.

    At the peak of a round, ``models`` copies of the model are in memory, and ``per_update`` more for each update: 0 for
    a strategy that adds updates to a mean as they arrive.
    """

    words: str
    options: dict[str, StrategyOption] = field(default_factory=dict)
    needs: Callable[[Options], int] = lambda _: 1
    models: float = 4
    per_update: float = 0


def _server_rate(default: float) -> StrategyOption:
    return StrategyOption("Server learning rate η", default, 0, 1000, "How far the server follows the clients' mean")


def _client_rate(default: float) -> StrategyOption:
    return StrategyOption("Client learning rate η_l", default, 0, 1000, "As the paper defines it", ignored=True)


_BYZANTINE = StrategyOption("Byzantine clients (f)", 0, 0, 1000, "Clients assumed malicious", whole=True)
_ADAPTIVE = {
    "eta": _server_rate(0.1), "eta_l": _client_rate(0.1),
    "tau": StrategyOption("Adaptivity τ", 0.001, 1e-12, 1000, "The smaller, the more adaptive"),
}  # fmt: skip
_BETAS = {
    "beta_1": StrategyOption("Momentum β₁", 0.9, 0, 1, "Decay of the first moment", below=True),
    "beta_2": StrategyOption("Second moment β₂", 0.99, 0, 1, "Decay of the second moment", below=True),
}

STRATEGIES: dict[str, Strategy] = {
    "FedAvg": Strategy("Mean of the clients' weights, by samples"),
    "FedProx": Strategy("FedAvg; clients are held near the global weights", {
        "proximal_mu": StrategyOption("Proximal μ", 0.1, 0, 1000, "Pull towards the global weights; 0 is FedAvg")}),
    "FedAvgM": Strategy("FedAvg with momentum on the server", {
        "server_learning_rate": _server_rate(1.0),
        "server_momentum": StrategyOption("Server momentum", 0.9, 0, 1, "Share of the last step that is kept",
                                          below=True)}, models=10),
    "FedAdagrad": Strategy("Adagrad on the server over the clients' mean", _ADAPTIVE, models=13),
    "FedAdam": Strategy("Adam on the server over the clients' mean", {**_ADAPTIVE, **_BETAS}, models=16),
    "FedYogi": Strategy("Yogi on the server over the clients' mean", {
        **_ADAPTIVE, "eta": _server_rate(0.01), "eta_l": _client_rate(0.0316), **_BETAS}, models=13),
    "FedMedian": Strategy("Median of each weight over the clients", per_update=3.2),
    "FedTrimmedAvg": Strategy("Mean of each weight without the extremes", {
        "beta": StrategyOption("Trimmed share β", 0.2, 0, 0.5, "Share cut off at each end", below=True)}, per_update=3),
    "Krum": Strategy("The one client whose weights lie closest to the others'", {
        "num_malicious_nodes": _BYZANTINE}, lambda o: 2 * int(o["num_malicious_nodes"]) + 3, per_update=3),
    "MultiKrum": Strategy("Mean of the clients whose weights lie closest to the others'", {
        "num_malicious_nodes": _BYZANTINE,
        "num_nodes_to_select": StrategyOption("Clients averaged (m)", 1, 1, 1000, "Those closest to the others",
                                              whole=True)},
        lambda o: max(2 * int(o["num_malicious_nodes"]) + 3, int(o["num_nodes_to_select"])), per_update=3),
    "Bulyan": Strategy("Krum, then a trimmed mean of the clients it chose", {
        "num_malicious_nodes": _BYZANTINE}, lambda o: 4 * int(o["num_malicious_nodes"]) + 3, per_update=6.3),
    "QFedAvg": Strategy("Clients with a high loss count for more", {
        "q": StrategyOption("Fairness q", 0.1, 0, 100, "0 is plain averaging"),
        "client_learning_rate": StrategyOption("Client learning rate", None, 1e-9, 100, "Of the clients' optimizer")},
        per_update=1.2),
}  # fmt: skip


def models_in_memory(name: str, updates: int, *, norm_rule: str, is_share_capped: bool) -> float:
    """Return how many copies of the model the server needs at the peak of a round with so many updates.

    A check that compares the updates of a round keeps them all, and a clipped one is a copy. Measured with tracemalloc
    over 10 updates of a million float32 parameters; ``tests/federation/aggregation/test_memory.py`` measures again.
    """
    strategy = STRATEGIES[name]
    kept = 1 if norm_rule != "off" or is_share_capped else 0
    return strategy.models + updates * (max(strategy.per_update, kept) + (norm_rule == "clip"))


def clients_needed(name: str, given: Options) -> int:
    """Return the minimum number of replies for a strategy with these options; raises as ``with_defaults`` does."""
    return STRATEGIES[name].needs(with_defaults(name, given, 0.1))


def ignored_options(name: str, given: Options) -> list[str]:
    """Return the given options that change nothing: Flower's class takes them, but its step does not use them."""
    return [key for key in given if STRATEGIES[name].options[key].ignored]


def with_defaults(name: str, given: Options, learning_rate: float) -> dict[str, float]:
    """Return all options of a strategy: the given values, else the defaults.

    These are Flower's, but for FedProx's μ and FedAvgM's momentum, which are 0 there and would make both FedAvg.

    Raises
    ------
    ValueError
        For an option that the strategy does not have, or a value outside its limits; the message names it.
    """
    options = STRATEGIES[name].options
    for key, value in given.items():
        if key not in options:
            known = ", ".join(options) or "none"
            raise ValueError(f"{name} has no option {key!r}; it has {known}")
        if (refusal := options[key].refuse(value)) is not None:
            raise ValueError(f"option {key} of {name} {refusal}, it is {value:g}")
    full: dict[str, float] = {}
    for key, option in options.items():
        value = given.get(key, learning_rate if option.default is None else option.default)
        full[key] = int(value) if option.whole else float(value)
    return full
