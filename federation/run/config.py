"""The configuration of a run: types, limits, defaults and labels. Imports neither Flower nor TensorFlow."""

from typing import Any, Final

from federation.run.choices import MAX_CLIENTS as MAX_CLIENTS
from federation.run.choices import MAX_ROUNDS as MAX_ROUNDS
from federation.run.fields.kinds import has_option
from federation.run.fields.stopping import StopFields
from federation.run.metric_goals import MetricGoals, names_of
from federation.run.networks import DemoDataset, data_of
from federation.run.options import Shown
from federation.run.rounds.schedules import SCHEDULED, read_schedule, value_in
from federation.run.rounds.stop_rules import StopRules
from federation.run.strategies import clients_needed, with_defaults

MAX_EXAMPLES = 10_000_000
"""The largest num_examples that is accepted in a reply."""

NOT_SENT = (
    "kind", "evaluated_run", "evaluated_round", "client_evaluation",
    "clients", "max_clients", "name", "minimize_metrics", "maximize_metrics", "server_evaluation",
    "stop_metric", "stop_target", "stop_patience", "stop_min_change", "stop_seconds", "stop_megabytes",
    "evaluate_every", "learning_rate_schedule", "local_epochs_schedule", "fraction_train_schedule", "app",
)  # fmt: skip
"""Options that clients do not get: they are about the run as a whole."""


OF_APPS = frozenset({
    "network", "name", "app_config", "num_rounds", "min_clients", "round_timeout_seconds", "quorum_timeout_seconds",
    "stop_seconds", "minimize_metrics", "maximize_metrics",
})  # fmt: skip
"""Options of the run of a Flower App. It has a strategy and rounds of its own: ``num_rounds`` is what it said first."""


class RunConfig(StopFields):
    """The configuration of a run. Every default works: three rounds over two clients that hold digits.

    A new option is a field in ``federation.run.fields``, with a ``Shown`` where people choose it; form and pages
    follow. Fields stand in the order of the form; a validator sees only the fields above its own.
    """

    @property
    def full_strategy_options(self) -> dict[str, float]:
        """All options of the strategy, with their defaults."""
        return with_defaults(self.strategy, self.strategy_options, self.learning_rate)

    @property
    def clients_needed(self) -> int:
        """The minimum number of clients that the strategy needs."""
        return clients_needed(self.strategy, self.strategy_options)

    @property
    def metric_goals(self) -> MetricGoals:
        """Which values of a metric are better, as far as it is known."""
        return MetricGoals(names_of(self.minimize_metrics), names_of(self.maximize_metrics))

    def scheduled(self, number: int, num_rounds: int) -> dict[str, float]:
        """Return the values that options with a schedule have in a round, by name; round 0 trains nothing."""
        return {
            name: value_in(text, limits, getattr(self, name), number, num_rounds)
            for name, limits in SCHEDULED.items()
            if number > 0 and read_schedule(text := getattr(self, f"{name}_schedule")) and name not in self.unused
        }

    @property
    def stop_rules(self) -> StopRules:
        """The rules that end the run before its last round."""
        less = self.metric_goals.less_is_better(self.stop_metric.partition("_")[2])
        return StopRules(
            self.stop_metric, less, self.stop_target, self.stop_patience, self.stop_min_change, self.stop_seconds,
            self.stop_megabytes,
        )  # fmt: skip

    @property
    def demo_dataset(self) -> DemoDataset | None:
        """The dataset that makes a simulated client eligible; None if none is eligible."""
        if self.clients is not None or self.network in ("custom", "app"):
            return None
        if self.network == "synthetic":
            return "synthetic"
        return "digits" if self.dataset == "digits" else None

    @property
    def title(self) -> str:
        """The name that a person gave, else data and network."""
        data = data_of(self.network, self.dataset)
        if self.kind == "statistics":
            return self.name or f"Statistics of {data}"
        if self.kind == "evaluation":
            of_round = f", round {self.evaluated_round:,}" if self.evaluated_round is not None else ""
            what = f"#{self.evaluated_run}{of_round}" if self.evaluated_run is not None else f"{self.network}, uploaded"
            return self.name or f"Evaluation of {what} on {data}"
        return self.name or ("Own model" if self.network == "custom" else f"{data}, {self.network}")

    @property
    def unused(self) -> set[str]:
        """The options of other networks and kinds of runs: they are not stored with the run."""
        others = {name for name in SHOWN if not has_option(self.kind, name)}
        if self.kind == "training":
            return self._of_other_networks | others
        return (self._of_other_networks | others | {"strategy_options"}) - {"network", "seed"}

    @property
    def _of_other_networks(self) -> set[str]:
        unused = set[str]()
        for name, one in SHOWN.items():
            on, *values = one.when or ("",)
            if (on in unused or (on == "network" and self.network not in values)) and not self._has_other_reason(one):
                unused.add(name)
        return unused | (SHOWN.keys() - OF_APPS) | {"strategy_options"} if self.network == "app" else unused | {"app"}

    def _has_other_reason(self, one: Shown) -> bool:
        return bool(one.or_when) and getattr(self, one.or_when[0]) in one.or_when[1:]

    def for_clients(self) -> dict[str, Any]:
        """Return the options that clients get with each task: also for an evaluation those of training.

        Clients of any release build a network with its optimizer.
        """
        return self.model_dump(exclude={*NOT_SENT, *self._of_other_networks}, exclude_none=True)

    def stored(self) -> dict[str, Any]:
        """Return the configuration as JSON, without the options of other networks."""
        return self.model_dump(mode="json", exclude=self.unused)


SHOWN: Final[dict[str, Shown]] = {
    name: one for name, info in RunConfig.model_fields.items() for one in info.metadata if isinstance(one, Shown)
}
"""What people see of each option, by its name."""
