"""Buffers and layouts."""

from typing import Any

import numpy as np
import pytest

from federation.weights.layout import Layout, LayoutMismatch

ARRAYS: list[Any] = [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, 8], np.int64), np.float32(9.5) * np.ones((), np.float32),
    np.array([True, False]),
]  # fmt: skip
LAYOUT = Layout.of(["kernel", "steps", "scale", "mask"], ARRAYS)


def test_arrays_of_several_dtypes_are_unpacked_as_they_were_packed() -> None:
    buffer = LAYOUT.pack(ARRAYS)
    assert len(buffer) == LAYOUT.size_bytes == 7 * 4 + 2 * 8 + 2
    for before, after in zip(ARRAYS, LAYOUT.unpack(buffer), strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


def test_arrays_of_one_dtype_are_adjacent_in_the_buffer() -> None:
    flats = LAYOUT.flats(LAYOUT.pack(ARRAYS))
    assert list(flats) == ["float32", "int64", "bool"]
    np.testing.assert_array_equal(flats["float32"], [0, 1, 2, 3, 4, 5, 9.5])


def test_a_layout_is_the_same_after_json() -> None:
    assert Layout.from_json(LAYOUT.to_json()) == LAYOUT
    assert LAYOUT.parameters == 11


@pytest.mark.parametrize(("arrays", "says"), [
    (ARRAYS[:2], "sends 2 arrays, the run needs 4"),
    ([ARRAYS[0].T, *ARRAYS[1:]], "sends float32 3×2, the run needs kernel float32 2×3"),
    ([ARRAYS[0].astype("float64"), *ARRAYS[1:]], "sends float64 2×3, the run needs kernel float32 2×3"),
])  # fmt: skip
def test_arrays_that_do_not_fit_are_named_with_both_sides(arrays: list[Any], says: str) -> None:
    with pytest.raises(LayoutMismatch) as refused:
        LAYOUT.pack(arrays)
    assert str(refused.value) == says


def test_a_buffer_of_another_length_and_a_forbidden_dtype_are_refused() -> None:
    with pytest.raises(LayoutMismatch, match="3 bytes, the layout needs 46"):
        LAYOUT.flats(b"123")
    with pytest.raises(LayoutMismatch, match="not allowed"):
        Layout.from_json([("x", [1], "object")])
    with pytest.raises(LayoutMismatch, match="negative side"):
        Layout.from_json([("x", [-1], "float32")])


@pytest.mark.parametrize("row", [
    ("n" * 3_000_000, [6], "float32"), ("n" * 3_000_000, [-1], "float32"), ("w", [6], "d" * 3_000_000),
    ("w", [1] * 1_000_000, "float32"), ("w", [10**4000] * 60, "float32"),
])  # fmt: skip
def test_a_refusal_shows_only_the_beginning_of_a_clients_names(row: Any) -> None:
    layout = Layout.of(["kernel"], [np.zeros((2, 3), np.float32)])
    try:
        sentence = layout.difference(Layout.from_json([row]).entries)
    except LayoutMismatch as error:
        sentence = str(error)
    assert sentence is not None
    assert len(sentence) < 200
    assert "kernel float32 2×3" in sentence or "not allowed" in sentence or "negative" in sentence
