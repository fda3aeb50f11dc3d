"""Imports a run from an archive: all of it, or nothing. The run can be looked at and exported again, not resumed."""

import io
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO

from pydantic import ValidationError

from federation.coordinator.supervisor import KeptFiles, UploadUnusable, read_npz
from federation.run.config import RunConfig
from federation.weights.layout import Layout
from webapp.db.database import Database
from webapp.db.repository.events import add_event
from webapp.db.repository.transfer import writing
from webapp.db.tables import RunContents
from webapp.operations.transfer.archive import Archive, ArchiveRefused
from webapp.operations.transfer.documents import MODELS, ROWS, ModelDocument, RunDocument
from webapp.operations.transfer.rows import checkpoint_data, imported_key, restored
from webapp.problems import Invalid, not_stored

log = logging.getLogger(__name__)

SLICE_ROWS = 2000
"""Rows of one transaction, for which a round's commit may have to wait."""


class RunImport:
    """Imports runs; any thread may use it. ``discard`` is called when an import has failed half-way."""

    def __init__(self, database: Database, files: KeptFiles, max_bytes: int, discard: Callable[[], None]) -> None:
        self._database, self._files, self._max_bytes, self._discard = database, files, max_bytes, discard

    def import_run(self, file: BinaryIO) -> int:
        """Import the run of an archive; return its id. Raises Invalid, and Problem if the disk does not take it."""
        run_id = None
        try:
            archive = Archive(file, self._max_bytes)
            rounds = _check(archive)
            run_id = self._begin(archive)
            layout_of: dict[str, Layout] = {}
            for which, model in archive.run.models.items():
                self._write_weights(archive, run_id, which, model, layout_of)
            ids = self._write_clients(archive.run, run_id)
            for table in ROWS:
                self._write_rows(archive, table, run_id, ids)
            self._publish(archive, run_id, rounds, ids)
        except BaseException as error:
            if run_id is not None:
                with self._database.write() as session:
                    writing.abandon_imports(session, run_id)
                self._discard()
            if isinstance(error, ArchiveRefused):
                raise Invalid("file", f"The archive is refused: {error}") from error
            if isinstance(error, OSError):
                raise not_stored("The run cannot be stored", error) from error
            raise
        return run_id

    def _begin(self, archive: Archive) -> int:
        run = archive.run
        columns = ("name", "reason", "stop_rule", "note", "tags", "num_rounds", "current_round", "last_metrics",
                   "created_at", "started_at", "finished_at", "active_seconds")  # fmt: skip
        values = {name: getattr(run, name) for name in columns}
        values["best_metrics"] = {name: best.model_dump() for name, best in run.best_metrics.items()}
        values["origin"] = {
            "run_id": run.run_id, "meadow": run.versions.get("meadow", "unknown"),
            "exported_at": run.exported_at.isoformat(), "manifest_sha256": archive.manifest_sha256,
        }  # fmt: skip
        with self._database.write() as session:
            return writing.begin_import(session, run.config, values)

    def _write_weights(
        self, archive: Archive, run_id: int, which: str, model: ModelDocument, layouts: dict[str, Layout]
    ) -> None:
        try:
            layout, weights = read_npz(io.BytesIO(archive.read(MODELS[which])), self._max_bytes)
        except UploadUnusable as error:
            raise ArchiveRefused(f"{MODELS[which]}: {error}") from error
        if layouts.setdefault("all", layout) != layout:
            raise ArchiveRefused("the arrays of its models differ")
        if self._files.keep_weights(run_id, layout, model.round, weights) != (model.sha256, model.size_bytes):
            raise ArchiveRefused(f"{MODELS[which]} does not hold the weights that run.json names")

    def _write_clients(self, run: RunDocument, run_id: int) -> dict[int, int]:
        """Insert the clients; return number -> id."""
        seen = run.finished_at or run.created_at
        rows = [
            {
                "public_key": imported_key(run_id, number, client.key_sha256), "name": client.name,
                "facts": {"address": client.address} if client.address else {},
                "data": {"dataset": client.dataset, "app": client.app, "samples": client.train_samples},
                "versions": client.versions, "first_seen_at": run.created_at, "last_seen_at": seen,
            }
            for number, client in enumerate(run.clients, 1)
        ]  # fmt: skip
        ids: list[int] = []
        for start in range(0, len(rows), SLICE_ROWS):
            with self._database.write() as session:
                ids += writing.insert_clients(session, rows[start : start + SLICE_ROWS])
        return dict(enumerate(ids, 1))

    def _write_rows(self, archive: Archive, table: str, run_id: int, ids: Mapping[int, int]) -> None:
        rows = (restored(table, row.model_dump(), run_id, ids) for row in archive.rows(table))
        while some := list(islice(rows, SLICE_ROWS)):
            with self._database.write() as session:
                writing.insert_rows(session, table, some)

    def _publish(
        self, archive: Archive, run_id: int, rounds: Mapping[int, ModelDocument], ids: Mapping[int, int]
    ) -> None:
        run = archive.run
        last = rounds.get(max(rounds)) if rounds else None
        chosen: Any = run.config.get("clients")
        clients = [ids[number] for number in chosen] if chosen else None
        values: dict[str, Any] = {
            "checkpoint": last and checkpoint_data(last.model_dump()) | {"round": last.round},
            "config": run.config | {"clients": clients}, "excluded": [ids[number] for number in run.excluded],
            "agreed_schema": run.agreed_schema and run.agreed_schema.model_dump(mode="json"),
        }  # fmt: skip
        contents = RunContents.WHOLE if "last" in run.models or last is None else RunContents.REMOVED
        with self._database.write() as session:
            writing.publish_import(session, run_id, run.state, contents, contents_at=datetime.now(UTC), **values)
            data = {"run_id": run_id, "state": run.state, "reason": None, "blocked_on": None, "name": run.name}
            add_event(session, "run", data)  # without the run's id: its own events are those of the archive
        log.info("run %s was imported: run %s of another Meadow, %s", run_id, run.run_id, run.name)


def _check(archive: Archive) -> dict[int, ModelDocument]:
    """Read every row before anything is written; return the weights of each round. Raises ArchiveRefused."""
    run, rounds = archive.run, dict[int, ModelDocument]()
    chosen = run.config.get("clients")
    numbers = {*run.excluded, *(chosen if isinstance(chosen, list) else ())}
    if any(not isinstance(number, int) or not 1 <= number <= len(run.clients) for number in numbers):
        raise ArchiveRefused("run.json names a client that is not there")
    try:
        RunConfig.model_validate(run.config)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ArchiveRefused(f"config: {'.'.join(map(str, first['loc']))[:100]}: {first['msg'][:200]}") from error
    for table in ROWS:
        for row in archive.rows(table):
            if (getattr(row, "client", None) or 0) > len(run.clients):
                raise ArchiveRefused(f"{table}.json names a client that is not there")
            if getattr(row, "round", 0) > run.current_round:
                raise ArchiveRefused(f"{table}.json names a round after the last one")
            if table == "rounds":
                if rounds and row.round <= next(reversed(rounds)):
                    raise ArchiveRefused("rounds.json is not in the order of the rounds")
                rounds[row.round] = row.checkpoint
    _check_models(archive, rounds)
    return rounds


def _check_models(archive: Archive, rounds: Mapping[int, ModelDocument]) -> None:
    run = archive.run
    if {MODELS[which] for which in run.models} != set(MODELS.values()) & set(archive.sizes):
        raise ArchiveRefused("run.json does not name the models that are there")
    if any(rounds.get(model.round) != model for model in run.models.values()):
        raise ArchiveRefused("run.json names weights that rounds.json does not have")
    if "last" in run.models and run.models["last"].round != run.current_round:
        raise ArchiveRefused("the last model is not that of the last round")
    if run.num_rounds < run.current_round or (run.best_metrics and not rounds):
        raise ArchiveRefused("run.json has more rounds than the run")
