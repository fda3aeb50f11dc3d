"""The form that starts a run: what was typed, what is wrong with it, and the configuration that it means."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from federation.run.config import RunConfig
from webapp.pages.start.fields import CHOICES, LABELS, LIMITS, OPTION_DEFAULTS

OF_CONFIG = {"fraction_train": "share", "strategy_options": "strategy"}
"""Names of the configuration that the form asks for in other words."""


@dataclass(frozen=True, slots=True)
class StartForm:
    """What the form shows: ``values`` by field as text, ``errors`` by field as sentences, the chosen clients."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    who: str = "all"
    chosen: frozenset[str] = frozenset()

    @property
    def limits(self) -> dict[str, tuple[float, float, str]]:
        """Least, most and step of every field that is a number."""
        return LIMITS

    @property
    def config(self) -> RunConfig | None:
        """The run that the form means; None where it has errors."""
        return None if self.errors else _read(self)[0]

    @property
    def likely(self) -> RunConfig:
        """The run that the form means as far as it can be read: an answer with a mistake counts as its default."""
        sound = {name: value for name, value in self.values.items() if name not in self.errors}
        form = StartForm(empty_form().values | sound, who=self.who, chosen=self.chosen)
        few = StartForm(empty_form().values | {n: sound[n] for n in ("network", "dataset", "num_rounds") if n in sound})
        return _read(form)[0] or _read(few)[0] or RunConfig()


def empty_form(held: Iterable[str | None] = ()) -> StartForm:
    """Return the form with the defaults of a run; with the dataset that most of the clients that are here hold."""
    form = form_of(RunConfig().model_dump() | {"seed": None})
    known = Counter(dataset for dataset in held if dataset in CHOICES["dataset"])
    if known and form.values["dataset"] not in known:
        form.values["dataset"] = str(known.most_common(1)[0][0])
        form.values["network"] = "synthetic" if form.values["dataset"] == "synthetic" else form.values["network"]
    return form


def form_of(config: Mapping[str, Any]) -> StartForm:
    """Return the form that would start a run like another one."""
    values = {name: _text(value) for name, value in config.items() if name in LABELS and name != "clients"}
    names = config.get("clients") or ()
    values["share"] = _text(config["fraction_train"] * 100)
    values |= OPTION_DEFAULTS
    values |= {f"{config['strategy']}.{name}": _text(value) for name, value in config["strategy_options"].items()}
    return StartForm(values, who="some" if names else "all", chosen=frozenset(names))


def typed_form(fields: Sequence[tuple[str, str]]) -> StartForm:
    """Return the form as a person sent it, with what is wrong in sentences; what was not asked keeps its default."""
    sent = {name: value.strip() for name, value in fields if name not in ("clients", "who")}
    unknown = sorted(set(sent) - set(LABELS))
    who = next((value for name, value in fields if name == "who"), "all")
    chosen = frozenset(value for name, value in fields if name == "clients")
    form = StartForm(empty_form().values | sent, {}, who, chosen)
    errors = _read(form)[1] | dict.fromkeys(unknown, "This is no field of a run")
    if who == "some" and not chosen:
        errors["clients"] = "Choose at least one client, or let everyone take part"
    return StartForm(form.values, errors, who, chosen)


def _read(form: StartForm) -> tuple[RunConfig | None, dict[str, str]]:
    given = {name: value for name, value in form.values.items() if value != "" and name in LABELS}
    document: dict[str, Any] = {name: value for name, value in given.items() if name not in OPTION_DEFAULTS}
    errors: dict[str, str] = {}
    document["strategy_options"] = {
        name.partition(".")[2]: value
        for name, value in given.items()
        if name.startswith(f"{form.values['strategy']}.") and value != OPTION_DEFAULTS[name]
    }
    if (share := document.pop("share", None)) is not None:
        try:
            document["fraction_train"] = float(share) / 100
        except ValueError:
            errors["share"] = f"“{share}” is not a number"
    if form.who == "some":
        document["clients"] = sorted(form.chosen)
    try:
        return RunConfig.model_validate(document, strict=False), errors
    except ValidationError as error:
        return None, errors | _sentences(error, form.values["strategy"])


def _sentences(error: ValidationError, strategy: str) -> dict[str, str]:
    """Put the errors of a configuration in words, by the form's field."""
    said: dict[str, str] = {}
    for one in error.errors(include_url=False):
        name = ".".join(map(str, one["loc"])) if one["loc"] else "network"
        if name.startswith("strategy_options."):
            name = name.replace("strategy_options", strategy)
        name = name if name in LABELS else name.partition(".")[0]
        name, typed = OF_CONFIG.get(name, name), one.get("input")
        said.setdefault(name, _sentence(one["type"], one["msg"], one.get("ctx") or {}, typed, name == "share"))
    return said


def _sentence(kind: str, message: str, limits: Mapping[str, Any], typed: Any, is_share: bool) -> str:
    shown = f"{typed * 100:g}" if is_share and isinstance(typed, float) else typed
    factor = 100 if is_share else 1
    match kind:
        case "greater_than_equal":
            return f"{shown} is too small: at least {limits['ge'] * factor:g}"
        case "greater_than":
            return f"{shown} is too small: more than {limits['gt'] * factor:g}"
        case "less_than_equal":
            return f"{shown} is too large: at most {limits['le'] * factor:g}"
        case "less_than":
            return f"{shown} is too large: less than {limits['lt']:g}"
        case "int_parsing" | "int_from_float" | "int_parsing_size":
            return f"“{shown}” is not a whole number"
        case "float_parsing" | "finite_number":
            return f"“{shown}” is not a number"
        case "literal_error":
            return f"“{shown}” is not one of {limits['expected']}"
        case "string_too_long":
            return f"At most {limits['max_length']} characters"
        case _:
            said = message.removeprefix("Value error, ")
            return said[:1].upper() + said[1:]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
