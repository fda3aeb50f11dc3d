"""The form that starts a run: what a person typed, what is wrong with it, and the configuration that it means."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError

from federation.run.config import RunConfig
from federation.run.networks import is_data_name
from webapp.db.tables import Client
from webapp.formatting import exact
from webapp.pages.cut import PAGE, Cut
from webapp.pages.start.fields import FIELDS, Field

UPLOAD = "weights"
"""The name of the control that chooses a file with initial weights."""
CONTROLS = ("who", "clients", "find", UPLOAD)
"""Controls that are no settings: "all" or "some" clients, a box for each client, the search for boxes, the file."""


T = TypeVar("T", bound="StartForm")


@dataclass(frozen=True, slots=True)
class StartForm:
    """What the form shows: ``values`` by field as text, ``errors`` as sentences, ids of the chosen clients as text."""

    several: ClassVar[bool] = False
    """Whether a field may have several values."""
    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    who: str = "all"
    chosen: frozenset[str] = frozenset()
    find: str = ""
    data_names: tuple[str, ...] = ()
    """Names of own data of connected clients, which the form offers beside the published data sets."""
    apps: tuple[tuple[str, str], ...] = ()
    """Approved Flower Apps: the hash of each, and what people call it."""
    missing: dict[str, str] = field(default_factory=dict)
    """What is wrong before a person has filled the fields in: no errors yet."""

    def offered(self, one: Field, *, quick: bool = False) -> list[tuple[str, str]]:
        """Return the values to choose from, and their words; with ``quick`` those of the short form on Home."""
        known = one.offered_quick if quick else one.offered
        if one.name == "node_app":
            return [*known, *self.apps]
        if one.name != "dataset":
            return known
        selected = (name.strip() for name in self.values["dataset"].split(","))
        own = dict.fromkeys([*self.data_names, *filter(is_data_name, selected)])
        return [*known, *((name, name) for name in own)]

    def boxes(self, clients: Sequence[Client]) -> Cut[Client]:
        """Return the clients that the form offers to choose: the chosen ones and, of the others, the first found."""
        chosen = [client for client in clients if str(client.id) in self.chosen]
        others = [client for client in clients if str(client.id) not in self.chosen]
        found = [client for client in others if self.find.casefold() in client.name.casefold()]
        return Cut([*chosen, *found[:PAGE]], len(clients))

    def has_error_in(self, fields: Iterable[Field]) -> bool:
        """Whether one of the fields has an error."""
        return any(one.name in self.errors for one in fields)

    def summary_of(self, fields: Iterable[Field]) -> str:
        """Return the values that differ from the defaults, with their labels."""
        changed = [one for one in fields if self.values[one.name] != one.text(one.default) and one.applies(self.values)]
        texts = [f"{one.shown.label}: {one.word(self.values[one.name])} {one.unit}" for one in changed]
        return ", ".join(map(str.rstrip, texts)) or "defaults"

    def label(self, name: str) -> str:
        """Return the label of a field; the name of one that no run has."""
        return FIELDS[name].shown.label if name in FIELDS else name

    @property
    def config(self) -> RunConfig | None:
        """The run that the form describes; None where it has errors."""
        return None if self.errors or self.missing else _read(self)[0]

    @property
    def config_without_errors(self) -> RunConfig:
        """The run that the form describes, with the default in place of each answer that has an error."""
        wrong = self.errors | self.missing
        valid = {name: value for name, value in self.values.items() if name not in wrong}
        if "initial_weights" in wrong:
            valid["initial_weights"] = "0" * 64  # of which only the run itself takes notice
        chosen = frozenset[str]() if "clients" in wrong else self.chosen
        form = StartForm(default_form().values | valid, who=self.who, chosen=chosen)
        few = StartForm(
            default_form().values | {n: valid[n] for n in ("network", "dataset", "num_rounds") if n in valid}
        )
        return _read(form)[0] or _read(few)[0] or RunConfig()


def default_form(datasets: Iterable[str | None] = ()) -> StartForm:
    """Return the form with the defaults of a run.

    ``datasets`` are those of the connected clients: where none holds the default one, the form has the most common.
    """
    values = {name: one.text(one.default) for name, one in FIELDS.items()}
    held = list(datasets)
    known = Counter(one for one in held if one in FIELDS["dataset"].choices or is_data_name(one))
    if known and values["dataset"] not in known:
        values["dataset"] = str(known.most_common(1)[0][0])
        values["network"] = "synthetic" if values["dataset"] == "synthetic" else values["network"]
    return offering(StartForm(values), held)


def offering(form: T, datasets: Iterable[str | None], apps: Iterable[tuple[str, str]] = ()) -> T:
    """Return a form that offers the own data among the data sets of the connected clients, and approved apps."""
    names = tuple(sorted({name for name in datasets if name and is_data_name(name)}))
    return replace(form, data_names=names, apps=tuple(apps))


def as_opened(form: T, sent: Sequence[tuple[str, str]]) -> T:
    """Return a form as an address opens it: only what the form itself has sent, and not left empty, is wrong yet."""
    is_form = any(name == "who" for name, _ in sent)
    filled = {name for name, value in sent if value.strip()} | {"clients"} if is_form else frozenset[str]()
    wrong = {name: text for name, text in form.errors.items() if name in filled}
    return replace(form, errors=wrong, missing={name: text for name, text in form.errors.items() if name not in wrong})


def parse_form(sent: Sequence[tuple[str, str]]) -> StartForm:
    """Return the form as a browser sent it, with its errors as sentences; a field that was not sent has its default."""
    typed = {name: value.strip() for name, value in sent if name not in CONTROLS}
    who = next((value for name, value in sent if name == "who"), "all")
    chosen = frozenset(value for name, value in sent if name == "clients")
    find = next((value.strip() for name, value in sent if name == "find"), "")
    form = StartForm(default_form().values | typed, who=who, chosen=chosen)
    errors = _read(form)[1] | dict.fromkeys(sorted(set(typed) - set(FIELDS)), "Not a setting of a run")
    if who == "some" and not chosen:
        errors["clients"] = "Select at least one client, or all clients with this dataset"
    return replace(form, errors=errors, find=find)


def _read(form: StartForm) -> tuple[RunConfig | None, dict[str, str]]:
    """Return the configuration, or the errors by field. Only the fields that apply are read: others may be hidden."""
    document: dict[str, Any] = {"strategy_options": {}}
    for name, one in FIELDS.items():
        text = form.values.get(name, "")
        option = name.partition(".")[2]
        if text == "" or not one.applies(form.values) or (option and text == one.text(one.default)):
            continue
        if option:
            document["strategy_options"][option] = text
        else:
            document[name] = one.parse(text)
    if form.who == "some":
        document["clients"] = sorted(form.chosen, key=lambda text: (len(text), text))
    try:
        return RunConfig.model_validate(document, strict=False), {}
    except ValidationError as error:
        return None, sentences_of(error, form.values["strategy"])


def sentences_of(error: ValidationError, strategy: str) -> dict[str, str]:
    """Return what is wrong as sentences, by field."""
    sentences: dict[str, str] = {}
    for one in error.errors(include_url=False):
        head, *rest = map(str, one["loc"] or ("network",))
        head = "network" if head == "app" else head  # the form has no field for an app with a loop of its own
        if head == "strategy_options":
            head = f"{strategy}.{rest[0]}" if rest else "strategy"
        if FIELDS[head].kind == "object":
            sentences.setdefault(head, _object_sentence(rest, one["type"]))
            continue
        typed = one.get("input")
        scale = FIELDS[head].scale
        shown = exact(typed, scale) if isinstance(typed, float) else typed
        sentences.setdefault(head, _sentence(one["type"], one["msg"], one.get("ctx") or {}, shown, scale))
    return sentences


def _object_sentence(keys: Sequence[str], kind: str) -> str:
    """Return what is wrong with an object; ``keys`` lead to the entry."""
    if not keys:
        return "At most 100 options" if kind == "too_long" else 'Not a JSON object, such as {"penalty": "l2"}'
    if keys[1:] == ["[key]"]:
        return "The name of an option has 1 to 100 characters"
    return f"{keys[0][:100]}: must be a number, true, false, or a text of at most 1000 characters"


def _sentence(kind: str, message: str, limits: Mapping[str, Any], typed: Any, scale: int) -> str:
    match kind:
        case "greater_than_equal":
            return f"{typed} is too small: at least {limits['ge'] * scale:.10g}"
        case "greater_than":
            return f"{typed} is too small: more than {limits['gt'] * scale:.10g}"
        case "less_than_equal":
            return f"{typed} is too large: at most {limits['le'] * scale:.10g}"
        case "less_than":
            return f"{typed} is too large: less than {limits['lt'] * scale:.10g}"
        case "int_parsing" | "int_from_float" | "int_parsing_size" | "int_type":
            return f"“{typed}” is not a whole number"
        case "float_parsing" | "finite_number" | "float_type":
            return f"“{typed}” is not a number"
        case "literal_error":
            return f"“{typed}” is not one of {limits['expected']}"
        case "string_too_long":
            return f"At most {limits['max_length']:,} characters"
        case _:
            text = message.removeprefix("Value error, ")
            return text[:1].upper() + text[1:]
