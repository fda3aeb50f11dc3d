"""The form that starts an experiment: the fields of a run, of which numbers and choices may have several values."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import ValidationError

from federation.run.config import SHOWN
from federation.run.options import Shown
from webapp.formatting import exact
from webapp.operations.experiments.expansion import MAX_RUNS, Expansion
from webapp.operations.experiments.requests import ExperimentRequest
from webapp.operations.run_requests import RunRequest
from webapp.pages.start.copies import form_of
from webapp.pages.start.fields import FIELDS, Field
from webapp.pages.start.form import CONTROLS, StartForm, default_form, sentences_of
from webapp.pages.wording import sentence
from webapp.problems import Invalid

SEEDS = "seeds"
"""The control for the number of seeds, or the seeds themselves."""
_RANGE = re.compile(r"(.+):(.+):\s*(x?)(.+)")
_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class ExperimentForm(StartForm):
    """What the form shows; the text of a field may stand for several values: ``0.1, 0.01``, ``1:9:2``, ``1:100:x10``.

    ``seeds`` is a number, or seeds separated by commas.
    """

    several: ClassVar[bool] = True
    seeds: str = "1"

    def has(self, name: str, value: str) -> bool:
        """Whether a value of a choice is selected."""
        return value in self.values[name].split(_SEPARATOR)

    def summary_of(self, fields: Iterable[Field]) -> str:
        """Return the values that differ from the defaults, with their labels."""
        changed = [one for one in fields if self.values[one.name] != one.text(one.default) and self._matters(one.shown)]
        return (
            ", ".join(f"{one.shown.label}: {self.values[one.name]} {one.unit}".rstrip() for one in changed)
            or "defaults"
        )

    @property
    def request(self) -> ExperimentRequest:
        """The experiment that the form describes. Raises ValidationError, which only its seeds can cause."""
        config: dict[str, Any] = {}
        for name, one in FIELDS.items():
            text = self.values.get(name, "")
            if name in CONTROLS or text == "" or not one.trains or not self._matters(one.shown):
                continue
            if "." in name:
                if text != one.text(one.default):
                    config.setdefault("strategy_options", {})[name] = _values(one, text)
            else:
                config[name] = _values(one, text)
        if self.who == "some":
            config["clients"] = sorted(int(one) if one.isdecimal() and len(one) < 16 else one for one in self.chosen)
        return ExperimentRequest.model_validate({"config": config, "seeds": _seeds(self.seeds)})

    def _matters(self, shown: Shown) -> bool:
        """Whether an option applies beside any of the values that the others have."""
        if not shown.when:
            return True
        name, *matching = shown.when
        return any(self.has(name, one) for one in matching) and (name not in SHOWN or self._matters(SHOWN[name]))

    def expanded(self) -> tuple[ExperimentRequest, Expansion] | None:
        """Return the experiment and its configurations; None where the form has an error."""
        return None if self.errors else _expanded(self)[0]


def default_experiment(datasets: Iterable[str | None] = ()) -> ExperimentForm:
    """Return the form with the defaults of a run and five seeds."""
    form = default_form(datasets)
    return ExperimentForm(form.values, seeds="5", data_names=form.data_names)


def experiment_like(config: Mapping[str, Any]) -> ExperimentForm:
    """Return the form with the settings of a run, for several seeds from its own on."""
    form = form_of(config)
    return ExperimentForm(form.values, who=form.who, chosen=form.chosen, seeds="5")


def experiment_copy(config: Mapping[str, Any], seeds: Sequence[int]) -> ExperimentForm:
    """Return the form of an experiment with the same settings and seeds; a setting that it cannot hold has an error."""
    values, errors = default_form().values, dict[str, str]()
    for name, value in _by_field(config):
        one = FIELDS.get(name)
        text = _text(one, value) if one is not None else ""
        if isinstance(value, dict):
            value = {key: part for key, part in value.items() if part is not None}
        if one is None or (text and _values(one, text) != value) or (not text and value not in (None, "", {})):
            errors[name] = f"Cannot be copied to this form: {json.dumps(value, ensure_ascii=False)[:200]}"
        else:
            values[name] = text
    ids = config.get("clients")
    is_one_choice = ids is None or all(isinstance(one, int | str) for one in ids)
    if not is_one_choice:
        errors["clients"] = "Cannot be copied to this form: several selections of clients"
    chosen = frozenset(map(str, ids or ())) if is_one_choice else frozenset[str]()
    typed = ", ".join(map(str, seeds)) if len(seeds) > 1 else f"{seeds[0]},"
    return ExperimentForm(values, errors, "all" if ids is None else "some", chosen, seeds=typed)


def parse_experiment(sent: Sequence[tuple[str, str]]) -> ExperimentForm:
    """Return the form as a browser sent it, with its errors; several values of a choice become one text."""
    typed: dict[str, list[str]] = {}
    for name, value in sent:
        typed.setdefault(name, []).append(value.strip())
    texts = {name: _SEPARATOR.join(values) for name, values in typed.items() if name not in (*CONTROLS, SEEDS)}
    form = ExperimentForm(
        default_form().values | texts, {}, typed.get("who", ["all"])[0], frozenset(typed.get("clients", ())),
        typed.get("find", [""])[0], seeds=typed.get(SEEDS, ["1"])[0],
    )  # fmt: skip
    errors = dict.fromkeys(sorted(set(texts) - set(FIELDS)), "Not a setting of a run")
    if form.who == "some" and not form.chosen:
        errors["clients"] = "Select at least one client, or all clients with this dataset"
    return replace(form, errors=errors or _expanded(form)[1])


def _expanded(form: ExperimentForm) -> tuple[tuple[ExperimentRequest, Expansion] | None, dict[str, str]]:
    try:
        request = form.request
        return (request, request.expanded()), {}
    except ValidationError:
        return None, {SEEDS: f"A number from 1 to {MAX_RUNS:,}, or different whole numbers separated by commas"}
    except Invalid as error:
        return None, field_errors(error, form)


def field_errors(error: Invalid, form: ExperimentForm) -> dict[str, str]:
    """Return what is wrong with an experiment by field of the form."""
    cause = error.__cause__
    if isinstance(cause, ValidationError) and cause.title == RunRequest.__name__:
        known = sentences_of(cause, form.values["strategy"])
        if known and set(known) <= set(FIELDS):
            return known
    found: dict[str, str] = {}
    for one in error.fields:
        head, *rest = one.field.removeprefix("config.").split(".", 1)
        name = (rest[0] if rest and rest[0] in FIELDS else "strategy") if head == "strategy_options" else head
        found[name] = sentence(one.message)
    return found


def _seeds(text: str) -> Any:
    """Return the seeds for pydantic to read: a number of them, or a list; a text that is neither stays one."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    numbers = [int(part) for part in parts if part.isdecimal() and len(part) < 16]
    if not parts or len(numbers) < len(parts):
        return text
    return numbers if "," in text else numbers[0]


def _by_field(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of an experiment with the names of their fields; the clients are none of them."""
    strategy = config.get("strategy", FIELDS["strategy"].default)
    names = strategy if isinstance(strategy, list) else [strategy]
    for name, value in config.items():
        if name == "strategy_options":
            for key, option in value.items():
                yield from ((one, option) for one in ([key] if "." in key else [f"{of}.{key}" for of in names])
                            if one in FIELDS or len(names) == 1)  # fmt: skip
        elif name not in ("clients", "seed"):
            yield name, value


def _text(field: Field, value: Any) -> str:
    """Write a setting as people type it; ``_values`` returns the same value."""
    if isinstance(value, dict) and field.kind in ("integer", "number"):
        by = f"x{exact(value['factor'])}" if value.get("factor") else field.text(value.get("step"))
        return f"{field.text(value['from'])}:{field.text(value['to'])}:{by}"
    if isinstance(value, list) and field.kind in ("choice", "integer", "number"):
        return _SEPARATOR.join(map(field.text, value))
    return field.text(value)


def _values(field: Field, text: str) -> Any:
    """Return the value of a setting, or its values where the text has several."""
    if field.kind == "choice":
        return text if _SEPARATOR not in text else text.split(_SEPARATOR)
    if field.kind not in ("integer", "number"):
        return field.parse(text)
    if found := _RANGE.fullmatch(text):
        first, last, factor, step = (found[1], found[2], found[3], found[4])
        by = {"factor": _number(field, step, scaled=False)} if factor else {"step": _number(field, step)}
        return {"from": _number(field, first), "to": _number(field, last), **by}
    parts = [_number(field, part) for part in text.split(",") if part.strip()]
    return parts[0] if len(parts) == 1 else parts


def _number(field: Field, text: str, *, scaled: bool = True) -> Any:
    """Return the number for pydantic to read; a text that is none stays one, so that pydantic refuses it."""
    value = field.parse(text.strip()) if scaled else text.strip()
    if not isinstance(value, str):
        return value
    try:
        return int(value) if field.kind == "integer" else float(value)
    except ValueError:
        return value
