"""The options of a run as pages know them: how the form asks for each, and how its value is written.

All of it is derived from ``RunConfig`` (types, limits, ``Shown``) and from the options of the strategies.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from federation.learning.evaluation_data import evaluated_on
from federation.run.config import SHOWN, RunConfig
from federation.run.fields.kinds import KINDS, has_option, kinds_with
from federation.run.options import Group, Shown, applies
from federation.run.strategies import STRATEGIES, StrategyOption
from webapp.formatting import THIN, duration, exact
from webapp.pages.wording import listed

MANY_NAMES = 6
UNITS = {"": "", "seconds": "seconds", "percent": "%", "megabytes": "MB"}
SCALE_OF_UNIT = {"": 1, "seconds": 1, "percent": 100, "megabytes": 1}
"""How many of what people type are one in the configuration."""


@dataclass(frozen=True, slots=True)
class Field:
    """One option of a run. ``name`` is that in the configuration; an option of a strategy is ``FedProx.proximal_mu``.

    ``kind`` is the type in JSON: array, integer, number, object or string; ``choice`` where only ``choices`` are
    allowed.
    ``default`` is a value of the configuration; ``least`` and ``most`` are in the unit that people type.
    """

    name: str
    kind: str
    shown: Shown
    hint: str
    default: Any
    required: bool
    least: float = 0
    most: float = 0
    max_length: int | None = None
    choices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The label of the input, with the unit that people type."""
        return f"{self.shown.label}, {self.unit}" if self.unit else self.shown.label

    @property
    def unit(self) -> str:
        """The unit that people type; empty for a number without one."""
        return UNITS[self.shown.unit]

    @property
    def scale(self) -> int:
        """How many of what people type are one in the configuration."""
        return SCALE_OF_UNIT[self.shown.unit]

    @property
    def offered(self) -> list[tuple[str, str]]:
        """The values to choose from, and their words."""
        return [(value, self.word(value)) for value in self.choices if value not in self.shown.not_offered]

    @property
    def offered_quick(self) -> list[tuple[str, str]]:
        """Those of them that the short form on Home offers."""
        return [one for one in self.offered if one[0] not in self.shown.not_quick]

    def word(self, value: str) -> str:
        """Return the word for a value of a choice."""
        return self.shown.choices.get(value, value)

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether the option matters beside the values of the others."""
        kind = values.get("kind", "training")
        return has_option(kind, self.name.partition(".")[0]) and applies(self.shown, values, SHOWN)

    @property
    def trains(self) -> bool:
        """Whether it is an option of runs that train."""
        return self.name != "kind" and "training" in kinds_with(self.name.partition(".")[0])

    def only(self, *, with_kind: bool) -> str:
        """Return when a form shows the option, as ``data-only`` has it; a form of runs that train asks for no kind."""
        conditions = [one for one in (self.shown.when, self.shown.or_when if with_kind else ()) if one]
        either = "|".join(f"{name}={' '.join(values)}" for name, *values in conditions)
        kinds = kinds_with(self.name.partition(".")[0]) if with_kind and self.name != "kind" else list(KINDS)
        of_kind = f"kind={' '.join(kinds)}" if len(kinds) < len(KINDS) else ""
        return ";".join(filter(None, (either, of_kind)))

    def text(self, value: Any) -> str:
        """Write a value of the configuration as people type it; ``parse`` returns the same value."""
        if value is None or value == {}:
            return ""
        if self.kind == "object":
            return json.dumps(value, ensure_ascii=False)
        return exact(value, self.scale) if isinstance(value, float) or self.scale > 1 else str(value)

    def parse(self, text: str) -> Any:
        """Return the value for pydantic to read; a text of another type stays one, so that pydantic refuses it."""
        try:
            if self.kind == "object":
                return json.loads(text)
            return float(Decimal(text) / self.scale) if self.scale > 1 else text
        except (ValueError, InvalidOperation, OverflowError, RecursionError):
            return text

    def written(self, value: Any) -> str:
        """Write a value of the configuration for people to read; for no value what that means, perhaps nothing."""
        if value is None or value == {}:
            return self.shown.empty
        if isinstance(value, list):
            return listed(value, MANY_NAMES)
        if self.shown.unit == "seconds" and value >= 60 and value == int(value):
            return duration(value)
        text = self.word(value) if isinstance(value, str) else self.text(value)
        return f"{text}{THIN}{self.unit.removesuffix('econds')}" if self.unit else text


def _field(name: str, shown: Shown, schema: dict[str, Any]) -> Field:
    typed = {**schema, **schema.get("anyOf", [{}])[0]}  # the schema of an optional field is any of its type and null
    offered = tuple(shown.choices) if shown.open else ()
    choices, whole = tuple(typed.get("enum", offered)), typed["type"] == "integer"
    least = typed.get("minimum", typed.get("exclusiveMinimum", 0) + whole)
    most = typed.get("maximum", typed.get("exclusiveMaximum", 0) - whole)
    scale, default = SCALE_OF_UNIT[shown.unit], schema.get("default")
    hint, required = schema["description"].removesuffix("."), default not in (None, "")
    return Field(
        name, "choice" if choices else typed["type"], shown, hint, default, required,
        least * scale, most * scale, typed.get("maxLength"), choices,
    )  # fmt: skip


def _strategy_field(strategy: str, key: str, option: StrategyOption) -> Field:
    empty = "the run's learning rate" if option.default is None else ""
    shown = Shown(option.label, Group.TRAINING, empty=empty, when=("strategy", strategy))
    kind = "integer" if option.whole else "number"
    return Field(f"{strategy}.{key}", kind, shown, option.words, option.default, False, option.least, option.most)


def _fields() -> Iterable[Field]:
    schemas = RunConfig.model_json_schema()["properties"]
    for name, shown in SHOWN.items():
        yield _field(name, shown, schemas[name])
    for strategy, described in STRATEGIES.items():
        offered = {key: option for key, option in described.options.items() if not option.ignored}
        for key, option in offered.items():
            yield _strategy_field(strategy, key, option)


FIELDS = {field.name: field for field in _fields()}
GROUPS = [(group, [field for field in FIELDS.values() if field.shown.group == group]) for group in Group]
FOLDED = (Group.STOPPING, Group.ADVANCED)
"""Groups that the form opens on demand."""
QUICK = [field for field in FIELDS.values() if field.shown.quick]


class ConfigLine(NamedTuple):
    """One setting of a run: its label, its value in words, and the value itself."""

    label: str
    text: str
    value: Any


def config_lines(config: Mapping[str, Any], clients: Mapping[int, str]) -> list[ConfigLine]:
    """Return the settings of a run; its name is none of them. ``clients`` are names by id.

    Options that do not apply to the run are omitted, and those that it does not set.
    """
    strategy, chosen = config.get("strategy"), config.get("strategy_options", {})
    options = {f"{strategy}.{key}": value for key, value in chosen.items()}
    values = {**config, **options}
    if (ids := config.get("clients")) is not None:
        values["clients"] = [clients.get(client_id, f"client {client_id}") for client_id in ids] or ["none"]
    hidden = ("name",) if config.get("evaluated_run") is None else ("name", "initial_weights")  # a copy of that run's
    lines = [
        ConfigLine(field.shown.label, field.written(values[name]), values[name])
        for name, field in FIELDS.items()
        if name in values and name not in hidden and field.applies(values)
    ]
    if config.get("kind") == "statistics":
        return [line for line in lines if line.text]
    data = evaluated_on(config)
    return [*(line for line in lines if line.text), ConfigLine("Evaluated on", data, data)]
