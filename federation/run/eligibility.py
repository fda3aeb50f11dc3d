"""The requirements of a run on its clients, as far as its configuration states them. Pages word the reasons."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from federation.run.networks import is_data_name, needs_dataset


class Ineligible(StrEnum):
    """Why a client may not take part in a run, whatever its connection and its replies."""

    NOT_SELECTED = "not_selected"
    """The run names its clients, and this is none of them."""
    NO_APP = "no_app"
    """The network is custom, and the client does not run an app of its own, or the run brings none to SuperNodes."""
    OWN_APP = "own_app"
    """The client runs an app of its own, and the network is one that Meadow builds."""
    OTHER_DATASET = "other_dataset"
    """The client does not hold the run's data set, or data of its own by that name."""


def why_ineligible(
    client_id: int, data: Mapping[str, object], *, network: str, dataset: str, selected: Collection[int] | None,
    node_app: object = None,
) -> Ineligible | None:  # fmt: skip
    """Return the first requirement that a client does not meet, or None if it may take part.

    ``data`` is the client's description of its data, ``selected`` the ids that the run names (None: all clients),
    ``node_app`` the app that it brings to SuperNodes.
    """
    if selected is not None and client_id not in selected:
        return Ineligible.NOT_SELECTED
    if network == "custom" and not data.get("app") and not (node_app and data.get("runs_apps")):
        return Ineligible.NO_APP
    if not needs_dataset(network):
        return None
    if data.get("app"):
        return Ineligible.OWN_APP
    holds = data.get("dataset") == dataset and is_data_name(dataset) == bool(data.get("schema"))
    return None if holds else Ineligible.OTHER_DATASET
