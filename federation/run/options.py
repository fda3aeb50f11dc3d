"""How people see an option of a run: label, group, unit, the words of its choices, and when it applies.

``RunConfig`` holds a ``Shown`` beside the type and the limits of each field. The form, the run page, the comparison
and /api/options are derived from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Unit = Literal["", "seconds", "percent", "megabytes"]
"""``percent``: the value is a fraction from 0 to 1, which people read and type as percent."""


class Group(StrEnum):
    """A part of the form; the value is its heading."""

    MODEL = "Model and data"
    TRAINING = "Training"
    CLIENTS = "Clients"
    STOPPING = "Stop rules"
    ADVANCED = "Advanced"


def applies(shown: "Shown", values: Mapping[str, object], others: Mapping[str, "Shown"]) -> bool:
    """Say whether an option matters beside the ``values`` of the ``others``, by name.

    One that depends on an option that does not matter itself does not either.
    """
    if not shown.when:
        return True
    if shown.or_when and values.get(shown.or_when[0]) in shown.or_when[1:]:
        return True
    name, *matching = shown.when
    return values.get(name) in matching and (name not in others or applies(others[name], values, others))


@dataclass(frozen=True, slots=True)
class Shown:
    """What people see of an option. The sentence below the field is the ``description`` of the pydantic field.

    ``empty`` says what no value means. ``when`` is the name of another option, followed by the values of it with which
    this option applies; an empty tuple: always. ``or_when`` is another such condition. ``choices`` are the words of the
    values, ``notes`` a sentence on each. ``open``: a text that is none of the choices may be a value, too.
    ``upload``: people choose a file, and the value is the id of its content. ``quick``: the short form on Home has the
    option as well, without the values ``not_quick``; no form has those ``not_offered``.
    """

    label: str
    group: Group
    unit: Unit = ""
    empty: str = ""
    when: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    open: bool = False
    upload: bool = False
    not_quick: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()
    quick: bool = False
    or_when: tuple[str, ...] = ()
