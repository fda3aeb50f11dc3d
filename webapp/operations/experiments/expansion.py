"""The configurations that settings with lists and ranges stand for; ``RunConfig`` says what can be varied."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from federation.run.config import SHOWN, RunConfig
from federation.run.options import applies
from federation.run.strategies import STRATEGIES
from webapp.operations.run_requests import RunRequest
from webapp.problems import Invalid

MAX_RUNS = 1000
_DEFAULTS = {n: i.get_default(call_default_factory=True, validated_data={}) for n, i in RunConfig.model_fields.items()}


def _types_of(annotation: Any) -> set[Any]:
    """Return the classes of an annotation, of each part of a union."""
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_types_of, get_args(annotation)))
    return {get_origin(annotation) or annotation}


_LISTS, _OBJECTS = (
    frozenset(name for name, field in RunConfig.model_fields.items() if kind in _types_of(field.annotation))
    for kind in (list, dict)
)
"""Settings whose one value is a list or an object already."""
_OPTIONS = frozenset(key for strategy in STRATEGIES.values() for key in strategy.options)
_NAMED_OPTIONS = frozenset(f"{name}.{key}" for name, strategy in STRATEGIES.items() for key in strategy.options)
Path = tuple[str, ...]
"""A setting, or the entry of an object: ``learning_rate``, ``strategy_options.q``.

An option may be named with its strategy, ``strategy_options.FedAdam.eta``, where others have one of the same name.
"""


class Range(BaseModel):
    """The values from one number to another, both included, in equal steps or multiplied by a factor."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    first: int | float = Field(alias="from", ge=-1e15, le=1e15, examples=[0.001])
    last: int | float = Field(alias="to", ge=-1e15, le=1e15, examples=[0.1])
    step: int | float | None = Field(None, gt=0, le=1e15, description="The difference between two values.")
    factor: int | float | None = Field(None, gt=1, le=1e15, description="What a value is multiplied by.", examples=[10])

    @model_validator(mode="after")
    def _has_values(self) -> "Range":
        if (self.step is None) == (self.factor is None):
            raise ValueError("give either a step or a factor")
        if self.first >= self.last or (self.factor is not None and self.first <= 0):
            raise ValueError("must grow, and start above 0 where it has a factor")
        return self

    @property
    def values(self) -> list[int | float]:
        """The numbers, as many as a request may have and one more. Whole where all that is given is whole."""
        step, value, last = (Decimal(str(one)) for one in (self.step or self.factor, self.first, self.last))
        is_whole = all(isinstance(one, int) for one in (self.first, self.step or self.factor))
        found: list[int | float] = []
        while value <= last and len(found) <= MAX_RUNS:
            found.append(int(value) if is_whole else float(value))
            value = value + step if self.step is not None else value * step
        return found


@dataclass(frozen=True, slots=True)
class Expansion:
    """The configurations in their order, and the settings in which they differ."""

    configs: list[RunRequest]
    varied: list[str]


def expand(given: Mapping[str, Any]) -> Expansion:
    """Return every combination of the values of the settings; raises Invalid, which names the setting.

    A setting that does not apply beside the others, as the α of a partitioner that another one replaces, makes no
    combinations of its own there.
    """
    fixed, choices = _split(given)
    found, used = [fixed], set[Path]()
    for path, values in choices.items():
        grown: list[dict[str, Any]] = []
        for one in found:
            if not _matters(path, one):
                grown.append(one)
                continue
            used.add(path)
            grown += [_with(one, path, value) for value in values]
            if len(grown) > MAX_RUNS:
                raise _invalid(path, f"makes more than {MAX_RUNS:,} configurations")
        found = grown
    if unused := [path for path in choices if path not in used]:
        raise _invalid(unused[0], "has no effect in any of the configurations")
    found = [_without_foreign(one, choices) for one in found]
    return Expansion([_read(one, choices) for one in found], [".".join(path) for path in choices])


def _split(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Path, list[Any]]]:
    """Return the settings with one value, and the values of each other one, in the order of the form."""
    fixed, choices = dict[str, Any](), dict[Path, list[Any]]()
    order = {name: place for place, name in enumerate(RunConfig.model_fields)}
    for name, value in sorted(given.items(), key=lambda item: order.get(item[0], len(order))):
        if name == "seed" and not isinstance(value, int):
            raise _invalid((name,), "is one number, the first seed; give several as seeds")
        if name in _OBJECTS and isinstance(value, dict):
            for key, entry in value.items():
                _sort_in(fixed.setdefault(name, {}), choices, (name, key), entry)
        else:
            _sort_in(fixed, choices, (name,), value)
    return fixed, choices


def _sort_in(fixed: dict[str, Any], choices: dict[Path, list[Any]], path: Path, value: Any) -> None:
    if path[0] in _LISTS:
        several = isinstance(value, list) and bool(value) and all(one is None or isinstance(one, list) for one in value)
    else:
        several = isinstance(value, list | dict)
    if not several:
        fixed[path[-1]] = value
        return
    values = _values_of(path, value)
    if len(values) > MAX_RUNS:
        raise _invalid(path, f"has more than {MAX_RUNS:,} values")
    if not values or len({json.dumps(one, sort_keys=True) for one in values}) < len(values):
        raise _invalid(path, "has the same value twice" if values else "has no value")
    choices[path] = values


def _values_of(path: Path, value: list[Any] | dict[str, Any]) -> list[Any]:
    if isinstance(value, list):
        return value
    try:
        return list(Range.model_validate(value).values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise _invalid(path, f"is no range: {f'{where}: ' if where else ''}{message}") from error


def _matters(path: Path, config: Mapping[str, Any]) -> bool:
    values = {**_DEFAULTS, **config}
    if path[0] == "strategy_options" and len(path) > 1:
        of, _, key = path[1].rpartition(".")
        strategy = STRATEGIES.get(str(values["strategy"]))
        return of in ("", values["strategy"]) and (strategy is None or key in strategy.options)
    return path[0] not in SHOWN or applies(SHOWN[path[0]], values, SHOWN)


def _with(config: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    if len(path) == 1:
        return {**config, path[0]: value}
    return {**config, path[0]: {**config.get(path[0], {}), path[1]: value}}


def _without_foreign(config: Mapping[str, Any], choices: Mapping[Path, list[Any]]) -> dict[str, Any]:
    """Drop what belongs to other values of a setting that is varied, and the names of strategies before options."""
    kept = {
        name: value for name, value in config.items()
        if name not in SHOWN or SHOWN[name].when[:1] not in choices or _matters((name,), config)
    }  # fmt: skip
    options = kept.get("strategy_options")
    if isinstance(options, dict):
        others = _OPTIONS if ("strategy",) in choices else frozenset[str]()
        kept["strategy_options"] = {
            key.rpartition(".")[2]: value for key, value in options.items()
            if _matters(("strategy_options", key), config) or key not in others | _NAMED_OPTIONS
        }  # fmt: skip
    return kept


def _read(config: dict[str, Any], choices: Mapping[Path, list[Any]]) -> RunRequest:
    try:
        return RunRequest.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        chosen = list(_chosen(config, choices))
        which = f" (with {', '.join(chosen)})" if chosen else ""
        message = first["msg"].removeprefix("Value error, ")
        raise _invalid(tuple(map(str, first["loc"])), f"{message[:300]}{which[:300]}") from error


def _chosen(config: Mapping[str, Any], choices: Mapping[Path, list[Any]]) -> Iterator[str]:
    for path in choices:
        value: Any = config
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            yield f"{path[-1]} {json.dumps(value, ensure_ascii=False)[:100]}"


def _invalid(path: Path, message: str) -> Invalid:
    return Invalid(".".join(("config", *path))[:200], message)
