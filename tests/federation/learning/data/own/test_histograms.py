"""Rows in common bins: what they are, and that they tell of no single row."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.own_data import OwnData, read
from federation.learning.own_work import own_work
from federation.schema.columns import NumberSummary
from federation.schema.statistics import BINS, CELLS, Bins, StatisticsQuestion

RNG = np.random.default_rng(7)
AGES = RNG.normal(61.7, 14.3, 300)
PLANTED = 987.654321


def table(folder: Path, ages: list[float], sharing: Sharing) -> OwnData:
    lines = [f"{'' if np.isnan(age) else repr(age)},{place % 2}" for place, age in enumerate(ages)]
    file = folder / "table.csv"
    file.write_text("\n".join(["age,y", *lines]))
    return read(file, Options(target="y"), sharing)


def bins_of(values: np.ndarray) -> Bins:
    squares = float(np.square(values - values.mean()).sum())
    bins = Bins.around(NumberSummary(count=len(values), missing=0, mean=float(values.mean()), squares=squares))
    assert bins is not None
    return bins


def test_bins_cover_three_deviations_and_are_coarse() -> None:
    for mean, deviation in ((0.0, 1.0), (61.7, 14.3), (1e6, 3.0), (-7e20, 1e19), (3e-9, 1e-12)):
        bins = bins_of(mean + deviation * RNG.standard_normal(999))
        assert bins.edges[0] < mean - 3 * deviation and bins.edges[-1] > mean + 3 * deviation
        assert len(bins.edges) == BINS + 1 and 1.9 < deviation / bins.width < 4.2
        again = bins_of(mean + 0.05 * deviation + 1.01 * deviation * RNG.standard_normal(99_999))
        assert again.width in (bins.width, 2 * bins.width, bins.width / 2)
    assert Bins.around(NumberSummary(count=9, missing=0, mean=5.0, squares=0.0)) is None, "a constant column"
    for first, width in ((0.0, 3.0), (1.5, 1.0), (0.25, 0.25)):
        with pytest.raises(ValidationError):
            Bins(first=first, width=width)


def test_rows_are_those_of_numpy_and_small_numbers_do_not_follow_from_the_others(tmp_path: Path) -> None:
    bins = bins_of(AGES)
    data = table(tmp_path, [*AGES.tolist(), float("nan"), PLANTED], Sharing(True, 10))
    told = data.histograms(StatisticsQuestion(bins={"age": bins, "none": bins}))
    assert told.keys() == {"age"}
    whole = np.histogram([*AGES, PLANTED], [-np.inf, *bins.edges, np.inf])[0]
    counts = told["age"]
    assert len(counts) == CELLS and counts[-1] is None, "the planted row is alone above the bins"
    assert all(count is None or (count == number and count >= 10) for count, number in zip(counts, whole, strict=True))
    withheld = sum(number for count, number in zip(counts, whole, strict=True) if count is None)
    assert withheld >= 10, "their sum, which follows from the count of the column, is no small number either"
    assert sum(filter(None, counts)) > 200


def test_a_column_is_told_in_one_way_only_and_never_too_finely_or_without_leave(tmp_path: Path) -> None:
    bins = bins_of(AGES)
    finer, other = (
        Bins(first=bins.first, width=bins.width / 16),
        Bins(first=bins.first + 8 * bins.width, width=bins.width),
    )
    data = table(tmp_path, AGES.tolist(), Sharing(True, 10))
    assert data.histograms(StatisticsQuestion(bins={"age": finer})) == {}
    data = table(tmp_path, AGES.tolist(), Sharing(True, 10))
    first = data.histograms(StatisticsQuestion(bins={"age": bins}))
    assert data.histograms(StatisticsQuestion(bins={"age": other})) == {}, "a difference could tell of one row"
    assert data.histograms(StatisticsQuestion(bins={"age": bins})) == first
    for closed in (
        table(tmp_path, AGES.tolist(), Sharing(False, 1)),
        table(tmp_path, AGES[:8].tolist(), Sharing(True, 10)),
    ):
        assert closed.histograms(StatisticsQuestion(bins={"age": bins})) == {}


def test_the_answer_to_the_task_has_no_value_of_a_row(tmp_path: Path) -> None:
    data = table(tmp_path, [*AGES.tolist(), PLANTED], Sharing(True, 10))
    question = StatisticsQuestion(bins={"age": bins_of(AGES)}).model_dump_json()
    answer = own_work(data, "wards").prepare({"network": "mlp", "dataset": "wards", "statistics": question})
    assert answer.keys() == {"statistics"} and str(PLANTED) not in json.dumps(answer)
