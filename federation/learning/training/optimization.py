"""The optimizer of a client's training, as the run's config describes it. Keras is imported inside functions."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from federation.learning.keras_backend import load_keras


class Optimization(NamedTuple):
    """An optimizer of a round: ``adam``, or ``sgd`` with momentum; each with L2 weight decay.

    The step for a weight w of loss gradient g takes the gradient g + ``weight_decay`` w, for every trainable variable,
    biases included, as ``torch.optim.SGD`` and ``torch.optim.Adam`` do. (Keras's own ``weight_decay`` is decoupled from
    the gradient, as in AdamW, and is not used.) Momentum is Keras's: v <- momentum v - rate g, w <- w + v; with the
    constant rate of a round that is the step of PyTorch, v <- momentum v + g, w <- w - rate v.
    """

    name: str = "adam"
    momentum: float = 0.0
    weight_decay: float = 0.0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the optimizer of a run's config; that of an earlier server has neither momentum nor weight decay."""
        momentum = config.get("momentum", 0.0) if config["optimizer"] == "sgd" else 0.0
        return cls(config["optimizer"], momentum, config.get("weight_decay", 0.0))

    def build(self, variables: Any) -> Any:
        """Return the Keras optimizer, built for these variables, with its state at zero."""
        optimizers = load_keras().optimizers
        optimizer = optimizers.SGD(momentum=self.momentum) if self.momentum else optimizers.get(self.name)
        optimizer.build(variables)
        return optimizer
