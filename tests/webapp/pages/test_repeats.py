"""What a comparison may claim: one run of each kind proves little, and runs of other seeds tell how little."""

from pathlib import Path
from typing import Any

from tests.support.books import Books
from webapp.charts.series_cache import SeriesCache
from webapp.db.repository.run_list import runs_of
from webapp.pages.comparison.table import Comparison, compare, summary
from webapp.pages.measure import measure_of

AVG: dict[str, Any] = {"strategy": "FedAvg"}
AVGM: dict[str, Any] = {"strategy": "FedAvgM"}


def compared(tmp_path: Path, *runs: tuple[dict[str, Any], float]) -> Comparison:
    """Compare runs with these configurations, each with the accuracy that it reaches in its second round."""
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path / "runs")
    a, b = books.add_clients("site-a", "site-b")
    ids = []
    for config, accuracy in runs:
        ids.append(books.start_run(**config))
        for number, value in enumerate((0.1, 0.2, accuracy)):
            books.play_round(ids[-1], number, [a, b], accuracy=value)
    with books.database.read() as session:
        rows = runs_of(session, ids)
        page = compare(session, SeriesCache(), rows, ids, None, measure=measure_of(rows, "evaluate", ""))
    books.close()
    return page


def test_one_run_each_is_said_beside_the_claim(tmp_path: Path) -> None:
    said = summary(compared(tmp_path, (AVG, 0.9), (AVGM, 0.95)))
    assert said.startswith("First to reach 85.5\u202f%: #1 and #2 in round 2. Highest accuracy: #2, 95.0\u202f%.")
    assert "1 run each; another seed may change the order." in said and "different seeds" not in said


def test_runs_that_differ_in_the_seed_only_tell_how_much_it_does(tmp_path: Path) -> None:
    seeds = [(AVG | {"seed": seed, "name": f"try {seed}"}, best) for seed, best in ((1, 0.986), (2, 0.942), (3, 0.85))]
    page = compared(tmp_path, *seeds, (AVGM | {"seed": 1}, 0.95))
    assert [[side.run.id for side in group] for group in page.repeats] == [[1, 2, 3], [4]]
    said = summary(page)
    assert "#1, #2 and #3 differ in the seed only: best accuracy 85.0\u202f% to 98.6\u202f%." in said
    assert "1 run only: #4; another seed may change the order." in said
    assert "Their partitions were cut with different seeds" in said


def test_runs_with_one_data_seed_are_measured_on_the_same_split(tmp_path: Path) -> None:
    page = compared(tmp_path, *((AVG | {"seed": seed, "data_seed": 5}, 0.9) for seed in (1, 2)))
    assert page.same_split and "1 run" not in summary(page)
    assert "cut with different seeds" not in summary(page)


def test_runs_on_other_data_say_so(tmp_path: Path) -> None:
    page = compared(tmp_path, ({"dataset": "digits"}, 0.9), ({"dataset": "mnist"}, 0.9))
    assert page.data == "measured on different data" and "The runs are measured on different data." in summary(page)
