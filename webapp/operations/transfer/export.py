"""A run as a zip archive that is made while it is sent: memory holds a page of rows and a piece of the weights."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, BinaryIO

from federation.coordinator.supervisor import CheckpointDamaged, NetworkNotBuilt
from federation.run.networks import KERAS_NETWORKS
from federation.run.states import ENDED
from webapp.db.database import Database, Session
from webapp.db.repository.transfer.reading import PAGE_ROWS, TABLES, clients_in, rows_after, train_samples
from webapp.db.tables import Client, Run
from webapp.operations.files.downloads import Which, kept_checkpoints
from webapp.operations.files.metrics_csv import csv_pieces
from webapp.operations.files.npz import Checkpoint, npz_pieces
from webapp.operations.files.zip_stream import Member, pieces_of, zip_pieces
from webapp.operations.own_data.agreed import agreed_schema
from webapp.operations.run_moves import get_run
from webapp.operations.transfer.documents import (
    CARD,
    CSV,
    FORMAT,
    KERAS,
    MANIFEST,
    MODELS,
    RUN,
    VERSION,
    ClientDocument,
    Manifest,
    MemberDocument,
    ModelDocument,
    Origin,
    RunDocument,
)  # fmt: skip
from webapp.operations.transfer.model_card import model_card
from webapp.operations.transfer.rows import archived, key_sha256
from webapp.problems import Conflict

KerasFile = Callable[[Run, str], Path]
"""Returns the .keras file of a run's checkpoint; may raise NetworkNotBuilt."""


class RunExport:
    """An ended run, opened to be exported: its weights stay readable although another thread deletes their files.

    Raises NotFound, and Conflict for a run that has not ended, or whose weights are damaged. ``close`` it at the end.
    ``addresses``: the network addresses of the clients are in the archive, too.
    """

    def __init__(
        self, database: Database, run_id: int, folder: Path, best_metric: str, keras: KerasFile, *,
        addresses: bool = False,
    ) -> None:  # fmt: skip
        self._database, self._keras = database, keras
        self._left_out: dict[str, Any] = {} if addresses else {"clients": {"__all__": {"address"}}}
        self._weights: dict[Which, Checkpoint] = {}
        with database.read() as session:
            self._run = get_run(session, run_id)
            if self._run.state not in ENDED:
                raise Conflict(f"Run {run_id} is {self._run.state}: only a run that has ended can be exported.")
            if self._run.network == "app":
                raise Conflict(f"Run {run_id} is of a Flower App: it is not exported.")
            if self._run.kind != "training":
                raise Conflict(f"Run {run_id} has trained no weights: it is not exported.")
            clients = clients_in(session, self._run)
            self._names = {client.id: client.name for client in clients}
            self._numbers = {client.id: number for number, client in enumerate(clients, 1)}
            try:
                models = self._open_weights(session, folder / str(run_id), best_metric)
            except (ValueError, CheckpointDamaged) as error:
                self.close()
                raise Conflict(f"The weights of run {run_id} are damaged: {error}.") from error
            document = _document(self._run, clients, train_samples(session, run_id), self._numbers, models)
            self.document = document.model_copy(update={"agreed_schema": agreed_schema(session, run_id)})
        self._members: list[MemberDocument] = []

    def _open_weights(self, session: Session, folder: Path, best_metric: str) -> dict[Which, ModelDocument]:
        models: dict[Which, ModelDocument] = {}
        for which, found in kept_checkpoints(session, self._run, best_metric).items():
            try:
                self._weights[which] = Checkpoint(folder / Path(found["file"]).name, found["sha256"])
            except FileNotFoundError:
                continue
            models[which] = ModelDocument(**{name: found[name] for name in ModelDocument.model_fields})
        return models

    def close(self) -> None:
        """Close the files of the weights."""
        for checkpoint in self._weights.values():
            checkpoint.close()

    def pieces(self) -> Iterator[bytes]:
        """Give the archive; the manifest, which holds the hash of each other member, is its last member."""
        return zip_pieces(
            Member(name, self._noted(name, content), is_stored=name.endswith((".npz", ".keras")))
            for name, content in self._contents()
        )

    def _noted(self, name: str, content: Iterable[bytes]) -> Iterator[bytes]:
        """Give a member's content, and note its size and hash for the manifest at its end."""
        digest, size = hashlib.sha256(), 0
        for piece in content:
            digest.update(piece)
            size += len(piece)
            yield piece
        self._members.append(MemberDocument(name=name, size_bytes=size, sha256=digest.hexdigest()))

    def _contents(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Give each member's name and content; one is complete before the next one is made."""
        run = self._run
        yield RUN, iter([_as_text(self.document.model_dump(mode="json", exclude=self._left_out))])
        for table in TABLES:
            yield f"{table}.json", self._rows(table)
        texts = csv_pieces(self._database, run.id, run.config, self._names)
        yield CSV, (text.encode() for text in texts)
        for which, checkpoint in self._weights.items():
            yield MODELS[which], npz_pieces(checkpoint.layout, checkpoint.pieces)
        if (keras := self._keras_file()) is not None:
            yield KERAS, pieces_of(keras)
        yield CARD, iter([model_card(self.document, self._members).encode()])
        manifest = Manifest(format=FORMAT, version=VERSION, members=list(self._members))
        yield MANIFEST, iter([_as_text(manifest.model_dump(mode="json"))])

    def _keras_file(self) -> BinaryIO | None:
        """Return the last weights as .keras; None where Meadow has no code for the network, or they are gone."""
        run = self._run
        if "last" not in self._weights or run.network not in KERAS_NETWORKS or run.checkpoint is None:
            return None
        with contextlib.suppress(NetworkNotBuilt, CheckpointDamaged, FileNotFoundError):
            return self._keras(run, Path(run.checkpoint["file"]).name).open("rb")
        return None

    def _rows(self, table: str) -> Iterator[bytes]:
        """Give a table as a JSON array with a row a line. Each page has a session of its own: readers may be slow."""
        after, before = 0, "[\n"
        while True:
            with self._database.read() as session:
                rows = rows_after(session, table, self._run.id, after)
            lines = [json.dumps(archived(table, dict(row._mapping), self._numbers), allow_nan=False) for row in rows]
            if lines:
                yield (before + ",\n".join(lines)).encode()
                after, before = rows[-1].id, ",\n"
            if len(rows) < PAGE_ROWS:
                break
        yield (b"\n" if before == ",\n" else before.encode()) + b"]\n"


def _document(
    run: Run, clients: Sequence[Client], samples: dict[int, int], numbers: dict[int, int],
    models: dict[Which, ModelDocument],
) -> RunDocument:  # fmt: skip
    chosen = run.config.get("clients")
    config = run.config | {"clients": [numbers[c] for c in chosen if c in numbers] if chosen else None}
    columns = ("name", "state", "reason", "stop_rule", "note", "tags", "num_rounds", "current_round", "last_metrics",
               "best_metrics", "created_at", "started_at", "finished_at", "active_seconds")  # fmt: skip
    return RunDocument(
        **{name: getattr(run, name) for name in columns}, format=FORMAT, version=VERSION, run_id=run.id, config=config,
        excluded=[numbers[client] for client in run.excluded if client in numbers], exported_at=datetime.now(UTC),
        versions={"meadow": version("meadow"), "flwr": version("flwr"), "python": python_version()},
        origin=Origin.model_validate_json(json.dumps(run.origin)) if run.origin else None, models=models,
        clients=[_client(client, samples.get(client.id, 0)) for client in clients],
    )  # fmt: skip


def _client(client: Client, samples: int) -> ClientDocument:
    said: dict[str, Any] = {name: client.data.get(name) for name in ("app", "dataset")}
    said["address"] = client.facts.get("address")
    return ClientDocument(
        name=client.name, key_sha256=key_sha256(client.public_key), train_samples=samples,
        versions={name: str(value)[:100] for name, value in list(client.versions.items())[:20]},
        **{name: value if isinstance(value, str) else None for name, value in said.items()},
    )  # fmt: skip


def _as_text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode()
