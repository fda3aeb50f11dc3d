"""Lazy arrays and records of them beside Flower's own."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, RecordDict

from federation.weights.records import LazyArray, record_of, values_of


@pytest.mark.parametrize("values", [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.full((), 3.5), np.zeros((0, 4), np.int32),
    np.array([True, False]),
])  # fmt: skip
def test_a_lazy_array_equals_flowers_own_array(values: np.ndarray) -> None:
    ours, flowers = LazyArray(values), Array(values)
    assert isinstance(ours, Array)
    assert (ours.dtype, ours.shape, ours.stype, ours.data) == (
        flowers.dtype, flowers.shape, flowers.stype, flowers.data,
    )  # fmt: skip
    assert np.array_equal(ours.numpy(), flowers.numpy())


def test_numpy_returns_a_copy_and_the_values_stay() -> None:
    values = np.ones(3, np.float32)
    values.flags.writeable = False
    array = LazyArray(values)
    array.numpy()[:] = 2
    assert array.values is values and array.values.tolist() == [1, 1, 1]
    assert values_of(array) is values
    assert values_of(Array(values)).tolist() == [1, 1, 1]


def test_setting_the_bytes_sets_the_values() -> None:
    array = LazyArray(np.ones(3, np.float32))
    array.data = Array(np.zeros(3, np.float32)).data
    assert array.numpy().tolist() == [0, 0, 0]


def test_flower_copies_a_record_of_lazy_arrays_like_any_other() -> None:
    record = record_of([("a", np.ones(2, np.float32)), ("b", np.zeros(1))])
    copied = ArrayRecord(dict(record.items()))
    assert [type(array) for array in copied.values()] == [Array, Array]
    assert [array.tolist() for array in copied.to_numpy_ndarrays()] == [[1, 1], [0]]
    held = RecordDict({"arrays": record}).array_records["arrays"]
    assert [array.tolist() for array in held.to_numpy_ndarrays()] == [[1, 1], [0]]
