"""All metric points of a run as CSV, a piece at a time, each with the clients, samples and data that it is measured on.

Texts that a spreadsheet would read as a formula are quoted with '.
"""

from collections.abc import Iterator
from typing import Any

from federation.learning.evaluation_data import measured_on
from webapp.db.database import Database
from webapp.db.repository.metrics import Point, Samples, points_after, samples_behind
from webapp.sanitizing import csv_cell, csv_text

CSV_PIECE = 5000
PHASES = ("train", "evaluate", "server")
HEADER = "round,phase,client_id,client,name,value,clients,samples,data\r\n"


def csv_pieces(database: Database, run_id: int, config: dict[str, Any], names: dict[int, str]) -> Iterator[str]:
    """Give the head and then the lines; ``names`` are those of clients by id."""
    since_id = 0
    data = {phase: measured_on(config, phase) for phase in PHASES}
    yield HEADER
    while True:
        with database.read() as session:  # one a piece: a slow reader must not hold a connection
            points = points_after(session, run_id, since_id, limit=CSV_PIECE)
            samples = samples_behind(session, run_id, points[0].round, points[-1].round) if points else {}
        if not points:
            return
        since_id = points[-1].id
        yield csv_text([*_cells(point, names), *_over(point, samples), data[point.phase]] for point in points)


def _cells(point: Point, names: dict[int, str]) -> list[str | int]:
    whose: list[str | int] = ["", ""]
    if point.client_id is not None:
        whose = [point.client_id, csv_cell(names.get(point.client_id, ""))]
    value = repr(point.value) if point.value is not None else {"nan": "NaN"}.get(point.kind, point.kind)
    return [point.round, point.phase, *whose, csv_cell(point.name), value]


def _over(point: Point, samples: Samples) -> tuple[int | str, int | str]:
    """Return the numbers of clients and of samples that a value is measured on; empty where they are unknown."""
    clients, amount = samples.get((point.round, point.phase, point.client_id or point.name), (0, 0))
    return clients or "", amount or ""
