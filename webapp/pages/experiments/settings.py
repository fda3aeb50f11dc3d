"""The settings in which the configurations of an experiment differ, as pages write them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.formatting import NOTHING
from webapp.pages.start.fields import FIELDS, Field


@dataclass(frozen=True, slots=True)
class Varied:
    """A setting that is varied: its path, such as ``strategy_options.q``, and its label."""

    path: str
    label: str

    def value(self, config: Mapping[str, Any]) -> Any:
        """Return the value that a run's configuration has; None where the setting does not apply to the run."""
        head, _, key = self.path.partition(".")
        if head != "strategy_options" or not key:
            found = config.get(head)
            return found.get(key) if key and isinstance(found, dict) else found
        of, _, option = key.rpartition(".")
        return config["strategy_options"].get(option) if of in ("", config["strategy"]) else None

    def text(self, config: Mapping[str, Any]) -> str:
        """Write that value for people."""
        value, field = self.value(config), _field_of(self.path, str(config["strategy"]))
        if field is not None and not field.applies({**config, field.name: value}):
            return NOTHING
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)
        if field is None or isinstance(value, list):
            return NOTHING if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return field.written(value) or NOTHING


def varied_settings(paths: Sequence[str]) -> list[Varied]:
    """Return the settings with their labels."""
    return [Varied(path, _label(path)) for path in paths]


def words_of(varied: Sequence[Varied], config: Mapping[str, Any]) -> str:
    """Write what is particular about a configuration in one line."""
    return ", ".join(f"{one.label} {text}" for one in varied if (text := one.text(config)) != NOTHING)


def _field_of(path: str, strategy: str) -> Field | None:
    head, _, key = path.partition(".")
    if head != "strategy_options" or not key:
        return FIELDS.get(path)
    return FIELDS.get(f"{strategy}.{key.rpartition('.')[2]}")


def _label(path: str) -> str:
    head, _, key = path.partition(".")
    if head != "strategy_options" or not key:
        return FIELDS[path].label if path in FIELDS else key or path
    of, _, option = key.rpartition(".")
    names = [name for name in FIELDS if name.endswith(f".{option}") and of in ("", name.partition(".")[0])]
    label = FIELDS[names[0]].label if names else option
    return f"{of} {label}" if of else label
