"""Event files as protobuf reads them, and a folder that is right whatever broke off a write."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from federation.run.states import RunState
from tests.support.books import Books
from tests.support.dashboard import finished_run, running
from tests.support.processes import wait_until
from webapp.db.repository.rounds import get_round
from webapp.operations.run_moves import get_run
from webapp.operations.tensorboard.directory import TensorboardFolder
from webapp.operations.tensorboard.event_files import pieces
from webapp.operations.tensorboard.records import crc32c
from webapp.settings import Settings


def event_class() -> Any:
    """Return TensorFlow's message Event with the fields that scalars need; importing TensorFlow takes seconds."""
    kinds = FieldDescriptorProto
    fields = {
        "Value": [("tag", 1, kinds.TYPE_STRING, ""), ("simple_value", 2, kinds.TYPE_FLOAT, "")],
        "Summary": [("value", 1, kinds.TYPE_MESSAGE, ".Value")],
        "Event": [
            ("wall_time", 1, kinds.TYPE_DOUBLE, ""), ("step", 2, kinds.TYPE_INT64, ""),
            ("file_version", 3, kinds.TYPE_STRING, ""), ("summary", 5, kinds.TYPE_MESSAGE, ".Summary"),
        ],
    }  # fmt: skip
    file = FileDescriptorProto(name="event.proto", syntax="proto3")
    for message, columns in fields.items():
        made = file.message_type.add(name=message)
        for name, number, kind, of in columns:
            label = kinds.LABEL_REPEATED if name == "value" else kinds.LABEL_OPTIONAL
            made.field.add(name=name, number=number, type=kind, type_name=of or None, label=label)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("Event"))


def scalars_in(content: bytes) -> dict[str, list[tuple[int, float, float]]]:
    """Return tag -> step, value and time; checks lengths, sums, and that there is no unknown field."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    kind, versions = event_class(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        for begin, end in ((0, 8), (12, 12 + length)):
            (stored,) = struct.unpack("<I", content[end : end + 4])
            crc = crc32c(content[begin:end])
            assert stored == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        event = kind.FromString(content[12 : 12 + length])
        assert len(UnknownFieldSet(event)) == len(UnknownFieldSet(event.summary)) == 0
        content = content[16 + length :]
        versions += [event.file_version] if event.file_version else []
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value, event.wall_time))
    assert versions == ["brain.Event:2"]
    return found


def content_of(books: Books, run_id: int, client_id: int | None = None) -> bytes:
    with books.database.read() as session:
        run = get_run(session, run_id)
    content = b"".join(piece for _, piece in pieces(books.database, run, client_id))
    assert content == b"".join(piece for _, piece in pieces(books.database, run, client_id, page=2))
    return content


@contextmanager
def writing(books: Books, folder: Path, clients: int = 0) -> Iterator[TensorboardFolder]:
    def newest() -> int:
        return max((event.id for event in books.published), default=0)

    settings = Settings(tensorboard_dir=folder, tensorboard_clients=clients)
    made = TensorboardFolder(settings, books.database, newest)
    made.start()
    try:
        yield made
    finally:
        made.stop(20)


def test_the_checksum_is_the_one_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_a_file_holds_what_a_run_and_a_client_have_measured(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    run_id = books.start_run(num_rounds=9)
    for number, loss in enumerate((2.0, nan, inf, 1e300, 0.5)):
        books.play_round(run_id, number, [a, b], **{"loss": loss, "Genauigkeit ü": number / 10})
    found = scalars_in(content_of(books, run_id))
    steps, values, times = zip(*found["evaluate/loss"], strict=True)
    assert steps == (0, 1, 2, 3, 4) and (values[0], values[2], values[3], values[4]) == (2.0, inf, inf, 0.5)
    assert isnan(values[1]) and len(found["evaluate/Genauigkeit ü"]) == 5
    with books.database.read() as session:
        row = get_round(session, run_id, 3)
    assert row is not None and times[3] == row.committed_at.timestamp()
    assert [value for _, value, _ in found["round/clients"]] == [2.0] * 5
    of_client = scalars_in(content_of(books, run_id, a))
    assert set(of_client) == {
        f"{phase}/{name}" for phase in ("train", "evaluate") for name in ("loss", "Genauigkeit ü")
    }


def test_a_folder_follows_the_runs_and_mends_what_broke_off(books: Books, tmp_path: Path) -> None:
    a, b = books.add_clients("site a/../../x", "site-b")
    folder = tmp_path / "boards"

    def file_of(run_id: int, below: str = "") -> Path:
        (found,) = folder.glob(f"*-run-{run_id}/{below}events.out.tfevents.*.meadow")
        return found

    with writing(books, folder, clients=1):
        run_id = books.start_run(num_rounds=60)
        for number in range(3):
            books.play_round(run_id, number, [a, b], loss=0.5)
        wait_until(lambda: folder.exists() and file_of(run_id).read_bytes() == content_of(books, run_id))
        books.play_round(run_id, 3, [a, b], loss=0.25)
        wait_until(lambda: file_of(run_id).read_bytes() == content_of(books, run_id), what="what is new is added")
    whole = file_of(run_id).read_bytes()
    assert [path.name for path in file_of(run_id).parent.iterdir() if path.is_dir()] == [f"site-a-x-{a}"]
    file_of(run_id).write_bytes(whole[:-7])  # killed in the middle of a write
    for number in range(4, 20):
        books.play_round(run_id, number, [a], loss=0.25)
    assert books.runs.move(run_id, RunState.STOPPED)
    with writing(books, folder, clients=1):
        wait_until(lambda: file_of(run_id).read_bytes() == content_of(books, run_id))
        wait_until(lambda: file_of(run_id, "site-a-x-*/").read_bytes() == content_of(books, run_id, a))
    file_of(run_id).write_bytes(whole + b"something else, longer than it" * 20_000)
    with writing(books, folder):
        books.runs.move(run_id, RunState.QUEUED)
        wait_until(lambda: file_of(run_id).read_bytes() == content_of(books, run_id))


def test_a_folder_that_cannot_be_written_is_told_and_tried_again(books: Books, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "boards").write_text("a file")
    with writing(books, tmp_path / "boards") as made:
        run_id = books.start_run(num_rounds=9)
        books.play_round(run_id, 0, books.add_clients("site-a"), loss=0.5)
        wait_until(lambda: made.problem)
        (tmp_path / "boards").unlink()
        wait_until(lambda: not made.problem)
        assert len(list((tmp_path / "boards").rglob("events*"))) == 1
    assert caplog.text.count("written later") == 1


def test_a_run_is_downloaded_with_its_clients(tmp_path: Path) -> None:
    with running(tmp_path, tensorboard_dir=tmp_path / "boards", demo_clients=0) as dashboard:
        run_id = finished_run(dashboard, num_rounds=2)
        one = dashboard.http.get(f"/api/runs/{run_id}/tensorboard")
        several = dashboard.http.get(f"/api/runs/{run_id}/tensorboard?clients=true")
        page = dashboard.http.get(f"/runs/{run_id}").text
        server = dashboard.http.get("/server").text
        wait_until(lambda: [file.read_bytes() for file in (tmp_path / "boards").rglob("events*")] == [one.content])
        assert dashboard.http.get("/api/runs/99/tensorboard").status_code == 404
    assert ".tfevents." in one.headers["content-disposition"]
    assert f'href="/api/runs/{run_id}/tensorboard"' in page and str(tmp_path / "boards") in server
    with zipfile.ZipFile(BytesIO(several.content)) as archive:
        names = sorted(archive.namelist())
        assert [Path(name).parent.name.rpartition("-")[0] for name in names] == ["", "site-a", "site-b"] or len(
            names
        ) == 3
        assert one.content in [archive.read(name) for name in names]
