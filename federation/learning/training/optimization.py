"""The optimizer of a client's training, as the run's config describes it. Keras is imported inside functions."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from federation.learning.keras_backend import load_keras
from federation.run.choices import OPTIMIZERS, WITH_MOMENTUM

DECOUPLED = ("adamw",)


class Optimization(NamedTuple):
    """An optimizer of a round: one of Keras's, with its own defaults but for the run's options.

    With L2 ``weight_decay`` the step for a weight w of loss gradient g takes the gradient g + ``weight_decay`` w, for
    every trainable variable, biases included, as ``torch.optim.SGD`` and ``torch.optim.Adam`` do. (Keras's own
    ``weight_decay`` is decoupled from the gradient, and is used for ``adamw`` alone, which is made for it.) Momentum is
    Keras's: for sgd v <- momentum v - rate g, w <- w + v; with the constant rate of a round that is the step of
    PyTorch, v <- momentum v + g, w <- w - rate v.
    """

    name: str = "adam"
    momentum: float = 0.0
    weight_decay: float = 0.0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the optimizer of a run's config; that of an earlier server has neither momentum nor weight decay."""
        momentum = config.get("momentum", 0.0) if config["optimizer"] in WITH_MOMENTUM else 0.0
        return cls(config["optimizer"], momentum, config.get("weight_decay", 0.0))

    @property
    def added_decay(self) -> float:
        """The weight decay that is added to the gradients."""
        return 0.0 if self.name in DECOUPLED else self.weight_decay

    def build(self, variables: Any) -> Any:
        """Return the Keras optimizer, built for these variables, with its state at the beginning."""
        settings: dict[str, float] = {"momentum": self.momentum} if self.momentum else {}
        if self.name in DECOUPLED:
            settings["weight_decay"] = self.weight_decay
        optimizer = getattr(load_keras().optimizers, OPTIMIZERS[self.name])(**settings)
        optimizer.build(variables)
        return optimizer
