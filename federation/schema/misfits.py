"""Why a client does not fit an agreed schema: which column, which value of it, and a sentence."""

from typing import NamedTuple

from federation.schema.columns import AgreedSchema, ClientSchema, Column, ColumnKind

FORMS = {"table": "a table", "images": "images", "arrays": "arrays"}
KINDS = {"number": "numbers", "category": "categories", "date": "dates"}
TASKS = {"classes": "classes", "number": "numbers"}


class Misfit(NamedTuple):
    """What does not fit of a client, by its id. ``column`` is empty where it is the data as a whole.

    ``value`` is a name that the client has told (a category, a class), its kind, or empty where nothing is there.
    """

    client: int
    column: str
    value: str
    reason: str


def first_misfit(client: int, told: ClientSchema, agreed: AgreedSchema) -> Misfit | None:
    """Return the first thing in which a client does not fit what the others agreed on; None if it fits."""
    if told.form != agreed.form:
        return Misfit(client, "", told.form, f"holds {FORMS[told.form]}, the run needs {FORMS[agreed.form]}")
    if told.target != agreed.target:
        return Misfit(client, told.target, "", f"has the target {told.target}, the run needs {agreed.target}")
    if told.task != agreed.task:
        value = told.classes[0] if told.classes else "number"
        held = f"classes such as “{value}”" if told.classes else TASKS[told.task]
        return Misfit(client, told.target, value, f"target {told.target}: holds {held}, "
                      f"the run needs {TASKS[agreed.task]}")  # fmt: skip
    if compared_shape(told) != compared_shape(agreed):
        held, needed = (" × ".join(f"{side:,}" for side in shape) or "1" for shape in (told.shape, agreed.shape))
        return Misfit(client, "", held, f"has inputs of {held}, the run needs {needed}")
    if agreed.classes and (unknown := sorted(set(told.classes) - set(agreed.classes))):
        return Misfit(client, told.target, unknown[0], f"target {told.target}: the class “{unknown[0]}” is none of "
                      "the run's")  # fmt: skip
    return _column_misfit(client, told, agreed)


def compared_shape(schema: ClientSchema | AgreedSchema) -> list[int]:
    """Return what of the shape must be alike: clients turn grey images and those in colours into each other."""
    return schema.shape[:2] if schema.form == "images" else schema.shape


def kind_misfit(client: int, column: Column, kind: ColumnKind) -> Misfit:
    """Return the misfit of a column that is not of the needed kind."""
    value = column.categories[0] if column.categories else column.kind
    held = f"text such as “{value}”" if column.categories else KINDS[column.kind]
    return Misfit(client, column.name, value, f"column {column.name}: holds {held}, the run needs {KINDS[kind]}")


def _column_misfit(client: int, told: ClientSchema, agreed: AgreedSchema) -> Misfit | None:
    held = {column.name: column for column in told.columns}
    for needed in agreed.columns:
        if (column := held.get(needed.name)) is None:
            return Misfit(client, needed.name, "", f"has no column {needed.name}, which the run needs")
        if column.kind != needed.kind:
            return kind_misfit(client, column, needed.kind)
    return None
