"""How SQLite finds what pages, charts, streams and scripts ask of a long run: by an index, never in whole tables."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.long_run import let_it_run, make_long_run
from tests.support.asked import asked
from tests.support.dashboard import Dashboard, running

LARGE = re.compile(r"\bSCAN (metric_points|replies|rounds|run_events)\b")
SERIES = "/api/runs/1/series?metric=accuracy&metric=loss"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with a made run, that goes on; small, for a plan is the same for ten rounds and ten thousand."""
    folder = tmp_path_factory.mktemp("made")
    make_long_run(folder / "data", 60, 3)
    with running(folder) as dashboard:
        with dashboard.parts.database.write() as session:
            let_it_run(session, 1)
        yield dashboard


def statements_of(dashboard: Dashboard, path: str) -> list[tuple[str, Any]]:
    """Return what the database was asked for one answer."""
    with asked(dashboard.parts.database.engine) as statements:
        if "/events" in path:
            assert dashboard.stream(path, lambda events: len(events) == 5)
        else:
            answer = dashboard.http.get(path)
            assert answer.status_code == 200, answer.text
    return [one for one in statements if one[0].startswith(("SELECT", "WITH"))]


def plan_of(dashboard: Dashboard, statement: str, parameters: Any) -> str:
    with dashboard.parts.database.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/1", "/runs/1?rounds=all&round=30&cells=seconds&events=trouble&below=40&before=50",
        "/runs/1?phase=train&metric=f1&cells=loss&lines=1-2",
        SERIES, f"{SERIES}&clients=1&clients=2&after=19&last=39", f"{SERIES}&after=59", f"{SERIES}&phase=train&last=9",
        "/api/runs/1/events?after=55", "/api/events?after=55",
        "/api/runs/1/metrics?since_id=900", "/api/runs/1/metrics?since_id=900&name=loss&phase=evaluate&client_id=2",
        "/api/runs/1", "/api/runs/1/rounds", "/runs/compare?id=1&metric=f1&target=50", "/clients", "/clients/1",
    ],
)  # fmt: skip
def test_an_answer_about_a_long_run_reads_no_table_from_end_to_end(made: Dashboard, path: str) -> None:
    statements = statements_of(made, path)
    assert statements, "the database was asked nothing"
    scans = {
        statement: plan for statement, given in statements if LARGE.search(plan := plan_of(made, statement, given))
    }
    assert not scans, "\n\n".join(f"{statement}\n{plan}" for statement, plan in scans.items())


def test_a_plan_that_reads_a_whole_table_would_be_seen(made: Dashboard) -> None:
    assert LARGE.search(plan_of(made, "SELECT count(*) FROM metric_points WHERE value > 0.5", ()))
