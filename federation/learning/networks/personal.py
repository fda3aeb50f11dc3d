"""The layers of a network that stay at the client: they are trained with the others, but neither sent nor averaged.

With the last layers named it is FedPer (Arivazhagan et al. 2019, arXiv:1912.00818), with those of BatchNorm FedBN (Li
et al. 2021, arXiv:2102.07623). FedRep (Collins et al. 2021, arXiv:2102.07078) trains its personal layers first and the
shared ones after them; here all are trained together, as FedPer does.
"""

from collections.abc import Iterable
from typing import Any

from federation.learning.networks.building import layout_of
from federation.learning.networks.layer_names import chosen_layers
from federation.weights.layout import Layout


class PersonalPart:
    """Which of a model's weights are personal, and the layouts of both parts, in the order of ``model.weights``.

    Raises ValueError as ``chosen_layers`` does, and where no layer is left to share.
    """

    def __init__(self, model: Any, patterns: str) -> None:
        mine = {id(one) for layer in chosen_layers(model, patterns, "personal layers") for one in layer.weights}
        entries = layout_of(model).entries
        self._is_personal = [id(variable) in mine for variable in model.weights]
        self.layout = Layout(tuple(self.personal(entries)))
        self.shared_layout = Layout(tuple(self.shared(entries)))
        if not self.shared_layout.entries:
            raise ValueError(f"personal layers: {patterns} leaves no layer of {model.name} to share")

    def personal(self, values: Iterable[Any]) -> list[Any]:
        """Return those of a model's values, one for each weight, that belong to personal layers."""
        return [value for value, is_personal in zip(values, self._is_personal, strict=True) if is_personal]

    def shared(self, values: Iterable[Any]) -> list[Any]:
        """Return the others."""
        return [value for value, is_personal in zip(values, self._is_personal, strict=True) if not is_personal]

    def joined(self, shared: Iterable[Any], personal: Iterable[Any]) -> list[Any]:
        """Return all values of a model from those of both parts."""
        sources = {False: iter(shared), True: iter(personal)}
        return [next(sources[is_personal]) for is_personal in self._is_personal]
