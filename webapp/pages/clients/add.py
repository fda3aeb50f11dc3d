"""The page that adds a client: the form for a join code, the command with a new code, and the codes made so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from federation.protocol.join_code import MAX_PARTITIONS
from federation.run.networks import OWN_DATA, Dataset
from webapp.db.tables import JoinCode
from webapp.formatting import count
from webapp.operations.connections.join_codes import ClientSettings, JoinCodeState, checked_settings
from webapp.problems import Invalid
from webapp.sanitizing import whole_number

DATASETS: Sequence[str] = get_args(Dataset)
FIELDS = ("name", "dataset", "partition", "partitions", "server")
SHOWN = 20


@dataclass(frozen=True, slots=True)
class AddPage:
    """What the page shows. ``command`` is there once, after a code was made; ``typed`` are the fields of the form."""

    codes: Sequence[tuple[JoinCode, JoinCodeState, str]]
    names: Mapping[int, str]
    typed: Mapping[str, str]
    command: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[str] = DATASETS

    @property
    def open(self) -> int:
        """How many codes are open."""
        return sum(state is JoinCodeState.OPEN for _, state, _ in self.codes)


def shown_codes(
    codes: Sequence[tuple[JoinCode, JoinCodeState]],
) -> Sequence[tuple[JoinCode, JoinCodeState, str]]:
    """Return the newest codes, open ones first, each with what it tells its client."""
    order = sorted(codes, key=lambda one: one[1] is not JoinCodeState.OPEN)
    opened = sum(state is JoinCodeState.OPEN for _, state in codes)
    return [(code, state, _settings_words(code)) for code, state in order[: max(SHOWN, opened)]]


def settings_of(typed: Mapping[str, str]) -> ClientSettings:
    """Return the settings that the form's fields give; raises Invalid."""
    dataset = typed["dataset"] if typed["dataset"] != OWN_DATA else ""  # the client tells the name of its own
    if dataset and dataset not in DATASETS:
        raise Invalid("dataset", f"Choose one of {', '.join(DATASETS)}")
    partition = _number(typed, "partition", 0, MAX_PARTITIONS - 1)
    return checked_settings(typed["name"], dataset or None, partition, _number(typed, "partitions", 1, MAX_PARTITIONS))


def _number(typed: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = typed[name].strip()
    number = whole_number(text, least=least, most=most)
    if text and number is None:
        raise Invalid(name, f"Must be a whole number from {count(least)} to {count(most)}")
    return number


def _settings_words(code: JoinCode) -> str:
    part = ""
    if code.partition is not None and code.partitions is not None:
        part = f"partition {code.partition} of {count(code.partitions)}"
    return ", ".join(filter(None, (code.name, code.dataset, part)))
