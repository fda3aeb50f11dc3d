"""Loads the Flower ClientApp of a person, and makes it a client's work."""

import importlib
from collections.abc import Mapping
from typing import Any

from flwr.clientapp import ClientApp

from federation.learning.client_app import Work
from federation.protocol.descriptions import MAX_NUMBER
from federation.run.networks import Dataset


class BadApp(ValueError):
    """There is no such app; the sentence says why."""


def work_of_app(spec: str, dataset: Dataset | None, node: Mapping[str, Any]) -> Work:
    """Return the app that ``module:attribute`` names as the work of a client, which prepares nothing.

    ``node`` is the client's node config, whose partition its description tells. Raises BadApp.
    """
    module, _, attribute = spec.partition(":")
    try:
        app = getattr(importlib.import_module(module), attribute or "app")
    except (ImportError, AttributeError) as error:
        raise BadApp(f"{spec!r} cannot be loaded: {error}") from error
    if not isinstance(app, ClientApp):
        raise BadApp(f"{spec!r} is not a flwr.clientapp.ClientApp")
    data: dict[str, Any] = {"dataset": dataset, "app": spec, "samples": None, "source": spec}
    for field, key in (("partition", "partition-id"), ("partitions", "num-partitions")):
        if type(node[key]) is int and 0 <= node[key] <= MAX_NUMBER:
            data[field] = node[key]
    return Work(app=app, prepare=lambda config: {}, data=data)
