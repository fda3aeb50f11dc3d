"""Simulated clients that run a ClientApp: one that the owner of the machine allowed when the dashboard was started.

A form or a request names an app that is allowed, and a file of the allowed folder; no module and no path comes from it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.client.options.node_config import read_node_config
from federation.run.networks import Dataset
from webapp.problems import Invalid

log = logging.getLogger(__name__)

NodeValue = bool | int | float | str
MAX_VALUES, MAX_CHARACTERS, MAX_OFFERED = 50, 1000, 200


@dataclass(frozen=True)
class AppWork:
    """What clients of an app run, and what they find in ``context.node_config``."""

    name: str
    module: str
    node_config: Mapping[str, NodeValue] = field(default_factory=dict, compare=False)


Work = Dataset | AppWork
"""What simulated clients do: train Meadow's networks on a data set, or run an app."""


def plan_of(work: Work) -> dict[str, Any]:
    """Return the fields of a plan that say what its clients do."""
    if isinstance(work, AppWork):
        return {"app": work.module, "node_config": dict(work.node_config)}
    return {"dataset": work, "share_labels": True}


class AllowedApps:
    """The apps of ``--app-clients`` by name, and the folder of ``--app-client-data``."""

    def __init__(self, modules: Mapping[str, str], folder: Path | None) -> None:
        self._modules, self._folder = modules, folder
        self._logged: str | None = None

    @property
    def names(self) -> Sequence[str]:
        """The apps that a form offers."""
        return list(self._modules)

    @property
    def data(self) -> Sequence[str]:
        """Files and folders of data that a form offers, the first of them by name; a new reason for none is logged."""
        try:
            found = sorted(one.name for one in self._folder.iterdir()) if self._folder is not None else []
            self._logged = None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            if reason != self._logged:
                self._logged = reason
                log.warning("no data is offered to clients of apps, %s cannot be listed: %s; give --app-client-data a "
                            "folder that the dashboard may read", self._folder, reason)  # fmt: skip
            return []
        return [name for name in found if not name.startswith(".")][:MAX_OFFERED]

    def choose(self, name: str, node_config: str | Mapping[str, NodeValue] = "", data: str | None = None) -> AppWork:
        """Return the work of clients of that app; raises Invalid.

        ``node_config`` is a text such as ``site="north" lr=0.1``, or its values; ``data`` is a path within the folder.
        """
        if name not in self._modules:
            known = ", ".join(self._modules) or "none is, see --app-clients"
            raise Invalid("app", f"No app of that name is allowed on this machine: {known}")
        try:
            values = read_node_config(node_config) if isinstance(node_config, str) else dict(node_config)
        except ValueError as error:
            raise Invalid("node_config", str(error)) from None
        if len(values) > MAX_VALUES or any(len(str(one)) > MAX_CHARACTERS for one in (*values, *values.values())):
            raise Invalid("node_config", f"At most {MAX_VALUES:,} values of at most {MAX_CHARACTERS:,} characters")
        if "data" in values:
            raise Invalid(
                "node_config", "Choose the data in a field of its own: a file of the folder --app-client-data"
            )
        return AppWork(name, self._modules[name], values | ({"data": self._path(data)} if data else {}))

    def _path(self, data: str) -> str:
        folder = self._folder.resolve() if self._folder is not None else None
        try:
            path = (folder / data).resolve() if folder is not None else None
            if folder is None or path is None or folder not in path.parents or not path.exists():
                raise ValueError
        except (OSError, ValueError):
            raise Invalid("data", "No such file in the folder that --app-client-data names") from None
        return str(path)
