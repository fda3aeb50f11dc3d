"""Lazy arrays and records of them beside Flower's own."""

from io import BytesIO

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


@pytest.mark.parametrize("values", [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.full((), 3.5),
    np.zeros((0, 4), np.int32), np.arange(4, dtype=">i2"), np.array([True, False]),
])  # fmt: skip
def test_the_values_of_flowers_own_array_are_those_that_numpy_reads(values: np.ndarray) -> None:
    read = values_of(Array(values))
    assert (read.dtype, read.shape, read.tolist()) == (values.dtype, values.shape, values.tolist())


def test_bytes_of_another_npy_version_are_read_and_broken_ones_are_refused() -> None:
    file = BytesIO()
    np.lib.format.write_array(file, np.arange(3.0), version=(2, 0))
    assert values_of(Array("float64", (3,), "numpy.ndarray", file.getvalue())).tolist() == [0, 1, 2]
    whole = Array(np.arange(3.0)).data
    for data in (whole[:-1], whole[:60], whole[:9]):
        with pytest.raises(ValueError, match=r"EOF|smaller than requested"):
            values_of(Array("float64", (3,), "numpy.ndarray", data))
    with pytest.raises(TypeError):
        values_of(Array("float64", (3,), "tensorflow", whole))


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
