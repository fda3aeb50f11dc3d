"""The event files of a run: one of the run, one of each client. A file is a function of the stored rounds alone.

So what is there of a file is the beginning of what will be there, whoever wrote it and wherever that broke off.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from webapp.db.database import Database
from webapp.db.repository.metrics import Point
from webapp.db.repository.rounds import list_rounds
from webapp.db.repository.tracking.points import points_of
from webapp.db.tables import Round, Run
from webapp.operations.files.zip_stream import Member, zip_pieces
from webapp.operations.tensorboard.records import first_record, scalars_record

PAGE_ROUNDS = 2000
NUMBERS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def folder_of(run: Run) -> str:
    """Return the name of a run's folder, which sorts by time."""
    return f"{run.created_at:%Y%m%d-%H%M%S}-run-{run.id}"


def client_folder(client_id: int, name: str) -> str:
    """Return the name of a client's folder; it ends with the id, because names are not unique."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name).strip('-') or 'client'}-{client_id}"


def file_name(run: Run) -> str:
    """Return the name of an event file, by which TensorBoard knows it."""
    return f"events.out.tfevents.{int(run.created_at.timestamp())}.meadow"


def pieces(
    database: Database, run: Run, client_id: int | None = None, after: int = -1, page: int = PAGE_ROUNDS
) -> Iterator[tuple[int, bytes]]:  # fmt: skip
    """Give what follows a round in the file of a run or a client, with the last round of each piece of ``page`` rounds.

    After -1, that is from the beginning on, the first piece is the head of the file.
    """
    if after < 0:
        yield -1, first_record(run.created_at.timestamp())
    while True:
        with database.read() as session:
            rounds = list_rounds(session, run.id, after=after, limit=page)
            if not rounds:
                return
            points = points_of(session, run.id, client_id, rounds[0].round, rounds[-1].round)
        after = rounds[-1].round
        yield after, b"".join(_records(rounds, points, own=client_id is None))


def _records(rounds: Sequence[Round], points: Sequence[Point], *, own: bool) -> Iterator[bytes]:
    by_round = {number: list(group) for number, group in groupby(points, key=lambda point: point.round)}
    for row in rounds:
        scalars = [
            (f"{point.phase}/{point.name}", NUMBERS[point.kind] if point.value is None else point.value)
            for point in by_round.get(row.round, ())
        ]
        if own:
            scalars += [
                ("round/seconds", row.seconds), ("round/bytes_down", row.bytes_down), ("round/bytes_up", row.bytes_up),
                ("round/clients", row.outcomes.get("train", {}).get("accepted", 0)),
            ]  # fmt: skip
        if scalars:
            yield scalars_record(row.committed_at.timestamp(), row.round, scalars)


def archive(database: Database, run: Run, clients: Sequence[tuple[int, str]]) -> Iterator[bytes]:
    """Give the event files of a run and some of its clients as a zip of folders, made while it is sent."""
    folders: list[tuple[int | None, str]] = [(None, "")]
    folders += [(client_id, f"{client_folder(client_id, name)}/") for client_id, name in clients]
    return zip_pieces(
        Member(f"{folder_of(run)}/{folder}{file_name(run)}", (piece for _, piece in pieces(database, run, client_id)))
        for client_id, folder in folders
    )
