import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from federation.schema.agreement import agree, merged_summary
from federation.schema.columns import ClientSchema, Column, NumberSummary
from federation.schema.misfits import first_misfit


def summary(values: np.ndarray, missing: int = 0) -> NumberSummary:
    mean = float(values.mean()) if len(values) else 0.0
    return NumberSummary(count=len(values), missing=missing, mean=mean, squares=float(((values - mean) ** 2).sum()))


def number(name: str, values: np.ndarray | None = None, has_missing: bool = False) -> Column:
    told = summary(values) if values is not None else None
    return Column(name=name, kind="number", has_missing=has_missing, summary=told)


def table(*columns: Column, classes: tuple[str, ...] = ("no", "yes"), target: str = "outcome") -> ClientSchema:
    return ClientSchema(
        form="table", task="classes", target=target, classes=list(classes), columns=list(columns), rows=20
    )


def test_mean_and_deviation_are_those_of_the_joined_table() -> None:
    rng = np.random.default_rng(7)
    scales = [(1e6, 1.0), (-3.0, 1e-6), (0.0, 1e12), (14.1, 3.5)]
    parts = [np.stack([rng.normal(mean, deviation, rows) for mean, deviation in scales]) for rows in (190, 1, 211, 37)]
    clients = {i: table(*(number(f"c{c}", part[c]) for c in range(4))) for i, part in enumerate(parts)}
    agreed = agree(clients).schema
    assert agreed is not None
    joined = np.concatenate(parts, axis=1)
    assert [c.mean for c in agreed.columns] == pytest.approx(joined.mean(axis=1), rel=1e-9)
    assert [c.deviation for c in agreed.columns] == pytest.approx(joined.std(axis=1), rel=1e-9)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), min_size=1, max_size=6))
def test_merging_loses_nothing_wherever_the_rows_are_cut(parts: list[list[float]]) -> None:
    merged = merged_summary([summary(np.array(part)) for part in parts])
    joined = np.array([value for part in parts for value in part])
    assert merged is not None and merged.count == len(joined)
    if len(joined):
        scale = max(1.0, float(np.abs(joined).max()))
        assert merged.mean == pytest.approx(joined.mean(), abs=1e-9 * scale)
        assert merged.deviation == pytest.approx(joined.std(), abs=1e-9 * scale)


def test_the_largest_numbers_do_not_overflow() -> None:
    largest = NumberSummary(count=2**53 - 1, missing=0, mean=1e30, squares=1e70)
    merged = merged_summary([largest, largest.model_copy(update={"mean": -1e30}), largest])
    assert merged is not None and NumberSummary.model_validate(merged.model_dump()) == merged


def test_clients_agree_on_common_columns_in_the_order_of_names_and_on_all_classes() -> None:
    ward = Column(name="ward", kind="category", categories=["A", "B"], has_missing=True)
    agreement = agree({
        1: table(number("size"), number("age", has_missing=True), ward),
        2: table(number("age"), ward.model_copy(update={"categories": ["C"]}), number("size"), number("extra"),
                 classes=("maybe", "yes")),
    })  # fmt: skip
    assert not agreement.misfits and agreement.schema is not None
    assert [column.name for column in agreement.schema.columns] == ["age", "size", "ward"]
    assert agreement.schema.classes == ["maybe", "no", "yes"]
    assert agreement.schema.columns[2].categories == ["A", "B", "C"]
    assert agreement.schema.inputs == (2 + 1 + 4,)  # age and whether it is missing, size, three wards and another one


def test_without_statistics_and_for_a_constant_column_nothing_is_divided() -> None:
    constant = np.full(30, 0.1)
    agreed = agree({1: table(number("a"), number("b", constant)), 2: table(number("a"), number("b", constant))}).schema
    assert agreed is not None
    assert [(c.mean, c.deviation) for c in agreed.columns] == [(0.0, 1.0), (pytest.approx(0.1), 1.0)]


def test_a_client_whose_column_is_of_another_kind_is_named_with_column_and_value() -> None:
    text = Column(name="age", kind="category", categories=["unknown", "young"])
    agreement = agree({1: table(text), 2: table(number("age")), 3: table(number("age"))})
    assert agreement.schema is not None and agreement.schema.columns[0].kind == "number"
    [misfit] = agreement.misfits
    assert misfit[:3] == (1, "age", "unknown")
    assert misfit.reason == "column age: holds text such as “unknown”, the run needs numbers"


@pytest.mark.parametrize(
    ("other", "column", "value"),
    [
        ({"form": "images", "shape": [8, 8, 1], "columns": []}, "", "images"),
        ({"target": "died"}, "died", ""),
        ({"task": "number", "classes": []}, "outcome", "number"),
    ],
)
def test_a_client_with_another_form_target_or_task_is_named(other: dict[str, object], column: str, value: str) -> None:
    usual = table(number("age"))
    odd = ClientSchema.model_validate(usual.model_dump() | other)
    agreement = agree({1: usual, 2: odd})
    assert agreement.schema is not None and [one[:3] for one in agreement.misfits] == [(2, column, value)]


def test_images_agree_on_their_shape() -> None:
    small = ClientSchema(form="images", task="classes", target="class", classes=["cat"], shape=[32, 32, 3], rows=5)
    large = small.model_copy(update={"shape": [64, 64, 3]})
    agreement = agree({1: small, 2: small.model_copy(update={"classes": ["dog"]}), 3: large})
    assert agreement.schema is not None and agreement.schema.inputs == (32, 32, 3)
    assert [one.reason for one in agreement.misfits] == ["has inputs of 64 × 64 × 3, the run needs 32 × 32 × 3"]


def test_grey_images_and_images_in_colours_agree_on_colours() -> None:
    grey = ClientSchema(
        form="images", task="classes", target="class", classes=["cat", "dog"], shape=[32, 32, 1], rows=5
    )
    both = agree({1: grey, 2: grey.model_copy(update={"shape": [32, 32, 3]})})
    assert both.schema is not None and both.schema.shape == [32, 32, 3] and not both.misfits
    assert first_misfit(1, grey, both.schema) is None


@pytest.mark.parametrize(
    ("clients", "problem"),
    [
        ({}, "no client tells a schema"),
        ({1: table(number("a")), 2: table(number("b"))}, "the clients' tables have no column in common"),
        ({1: table(number("a"), classes=("yes",))}, "all rows of all clients have the same outcome: yes"),
        (
            {i: table(Column(name="id", kind="category", categories=[f"{i}-{n}" for n in range(99)]))
             for i in range(11)},
            "column id has 1,089 categories over all clients, at most 1,000 are possible: start the clients with "
            "--ignore 'id'",
        ),
        (
            {i: table(*(Column(name=f"c{c}", kind="category", categories=[f"{i}-{c}-{n}{'x' * 150}" for n in range(90)])
                        for c in range(20))) for i in range(5)},
            "names of columns, categories and classes have 1,436,529 bytes over all clients, at most 1,048,576 are "
            "possible: start the clients with --ignore COLUMN",
        ),
        (
            {1: ClientSchema(form="arrays", task="classes", target="y", classes=["a", "b"], rows=2,
                             shape=[100_000, 100_000])},
            "one input has 10,000,000,000 values, at most 50,000,000 are possible",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_said(clients: dict[int, ClientSchema], problem: str) -> None:
    agreement = agree(clients)
    assert agreement.schema is None and agreement.problem == problem


def test_a_later_client_fits_with_more_columns_and_unknown_categories() -> None:
    ward = Column(name="ward", kind="category", categories=["A"])
    agreed = agree({1: table(number("age"), ward)}).schema
    assert agreed is not None
    later = table(ward.model_copy(update={"categories": ["Z"]}), number("extra"), number("age"), classes=("yes",))
    assert first_misfit(2, later, agreed) is None
    missing = first_misfit(2, table(ward), agreed)
    assert missing is not None and missing.reason == "has no column age, which the run needs"
    label = first_misfit(2, table(number("age"), ward, classes=("perhaps", "yes")), agreed)
    assert label is not None and label[:3] == (2, "outcome", "perhaps")


TOO_LARGE = {"count": 1, "missing": 0, "mean": 1e31, "squares": 0.0}


@pytest.mark.parametrize(
    "broken",
    [
        {"columns": [{"name": "a", "kind": "number"}] * 2},
        {"columns": [{"name": "a\n", "kind": "number"}]},
        {"columns": [{"name": "a", "kind": "number", "summary": TOO_LARGE}]},
        {"columns": [{"name": "a", "kind": "category", "categories": ["x"] * 101}]},
        {"classes": ["yes", "yes"]},
        {"rows": -1},
        {"form": "audio"},
    ],
)  # fmt: skip
def test_a_schema_that_breaks_a_limit_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClientSchema.model_validate(table().model_dump() | broken)
