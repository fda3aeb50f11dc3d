"""Flower's strategies by name: what each does, its options with Flower's defaults, how many clients it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Options = Mapping[str, float]


@dataclass(frozen=True)
class Option:
    """One number that a strategy takes. ``default`` None: the run's learning rate."""

    default: float | None
    least: float
    most: float
    words: str
    whole: bool = False
    below: bool = False

    def refuse(self, value: float) -> str | None:
        """Say what is wrong with a value, or None."""
        if self.whole and value != int(value):
            return "must be a whole number"
        if not self.least <= value <= self.most or (self.below and value == self.most):
            return f"must be from {self.least:g} to {'below ' if self.below else ''}{self.most:g}"
        return None


@dataclass(frozen=True)
class Description:
    """What a person reads and a form offers."""

    words: str
    options: dict[str, Option] = field(default_factory=dict)
    needs: Callable[[Options], int] = lambda _: 1


def _rate(default: float, words: str) -> Option:
    return Option(default, 0, 1000, words)


_MALICIOUS = Option(0, 0, 1000, "How many clients may lie", whole=True)
_ADAPTIVE = {
    "eta": _rate(0.1, "Server learning rate"), "eta_l": _rate(0.1, "Client learning rate, as the paper has it"),
    "tau": Option(0.001, 1e-12, 1000, "Degree of adaptivity: the smaller, the more"),
}  # fmt: skip
_BETAS = {
    "beta_1": Option(0.9, 0, 1, "Momentum", below=True), "beta_2": Option(0.99, 0, 1, "Second moment", below=True),
}  # fmt: skip

STRATEGIES: dict[str, Description] = {
    "FedAvg": Description("Mean of the clients' weights, by samples"),
    "FedProx": Description("FedAvg; clients are held near the global weights", {
        "proximal_mu": Option(0.0, 0, 1000, "Pull towards the global weights; 0 is FedAvg")}),
    "FedAvgM": Description("FedAvg with momentum on the server", {
        "server_learning_rate": _rate(1.0, "Server learning rate"),
        "server_momentum": Option(0.0, 0, 1, "Share of the last step that is kept", below=True)}),
    "FedAdagrad": Description("Adagrad on the server over the clients' mean", _ADAPTIVE),
    "FedAdam": Description("Adam on the server over the clients' mean", {**_ADAPTIVE, **_BETAS}),
    "FedYogi": Description("Yogi on the server over the clients' mean", {
        **_ADAPTIVE, "eta": _rate(0.01, "Server learning rate"),
        "eta_l": _rate(0.0316, "Client learning rate, as the paper has it"), **_BETAS}),
    "FedMedian": Description("Median of each weight over the clients"),
    "FedTrimmedAvg": Description("Mean of each weight without the extremes", {
        "beta": Option(0.2, 0, 0.5, "Share cut off at each end", below=True)}),
    "Krum": Description("The one client whose weights lie closest to the others'", {
        "num_malicious_nodes": _MALICIOUS}, lambda o: 2 * int(o["num_malicious_nodes"]) + 3),
    "MultiKrum": Description("Mean of the clients whose weights lie closest to the others'", {
        "num_malicious_nodes": _MALICIOUS,
        "num_nodes_to_select": Option(1, 1, 1000, "How many clients are averaged", whole=True)},
        lambda o: max(2 * int(o["num_malicious_nodes"]) + 3, int(o["num_nodes_to_select"]))),
    "Bulyan": Description("Krum, then a trimmed mean of those it chose", {
        "num_malicious_nodes": _MALICIOUS}, lambda o: 4 * int(o["num_malicious_nodes"]) + 3),
    "QFedAvg": Description("Clients with a high loss count for more", {
        "q": Option(0.1, 0, 100, "Fairness; 0 is plain averaging"),
        "client_learning_rate": Option(None, 1e-9, 100, "Of the clients; empty takes the run's learning rate")}),
}  # fmt: skip


def clients_needed(name: str, given: Options) -> int:
    """Return how many replies a strategy needs with these options; raises as ``complete`` does."""
    return STRATEGIES[name].needs(complete(name, given, 0.1))


def complete(name: str, given: Options, learning_rate: float) -> dict[str, float]:
    """Return every option of a strategy: what was given, else Flower's default.

    Raises
    ------
    ValueError
        For an option that the strategy does not have, or a value outside its limits; the sentence names it.
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
