"""Archives that no Meadow has written: refused with a sentence, nothing of them stays, and no page breaks."""

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.support.dashboard import Dashboard, running
from tests.support.odd_values import FUZZ_SECONDS, MISSING, VALUES
from tests.support.processes import wait_until
from tests.webapp.operations.transfer.conftest import exported, packed
from webapp.db.tables import Client, Run
from webapp.operations.transfer.archive import MAX_DIRECTORY

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def members(exporter: Dashboard) -> Members:
    return {name: content for name, content in exported(exporter, 1).items() if name != "manifest.json"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("target"), max_reply_bytes=1_000_000) as dashboard:
        yield dashboard


def upload(target: Dashboard, archive: bytes) -> tuple[int, str]:
    answer = target.http.post("/api/runs/import", files={"file": ("run.zip", archive)})
    return answer.status_code, answer.text


def is_empty(target: Dashboard) -> bool:
    """Say whether nothing of any archive is left."""
    with target.parts.database.read() as session:
        rows = [session.scalar(select(func.count(table.id))) for table in (Run, Client)]
    return rows == [0, 0] and not list(target.parts.settings.runs_dir.iterdir())


def refused(target: Dashboard, archive: bytes, why: str) -> None:
    status, text = upload(target, archive)
    assert status == 422 and why in text, (status, text)
    wait_until(lambda: is_empty(target), what="nothing is left")


def edited(members: Members, name: str, edit: Callable[[Any], object]) -> bytes:
    """Return an archive with one member changed as JSON, and hashes that fit."""
    document = json.loads(members[name])
    edit(document)
    if isinstance(document, list):
        text = "[\n" + ",\n".join(map(json.dumps, document)) + "\n]\n"
    else:
        text = json.dumps(document)
    return packed({**members, name: text.encode()})


def with_info(members: Members, name: str, **values: Any) -> bytes:
    """Return an archive whose member has another description."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            info = zipfile.ZipInfo(name)
            for field, value in values.items():
                setattr(info, field, value)
            archive.writestr(info, b"x")
        return file.getvalue()


def test_a_structure_that_no_export_has_is_refused(target: Dashboard, members: Members) -> None:
    good = packed(members)
    for archive, why in (
        (b"", "no zip archive"), (b"PK\5\6" + b"\0" * 18, "is missing"), (good[:-1], "no zip archive"),
        (good + b"x", "no zip archive"), (good[:-2] + b"\1\0" + b"x", "no zip archive that Meadow"),
        (packed({**members, "../../etc/passwd": b"x"}), "not part of a run"),
        (packed({**members, "/root": b"x"}), "not part of a run"),
        (packed({name: text for name, text in members.items() if name != "events.json"}), "events.json is missing"),
        (packed({**members, "manifest.json": b"{}"}), "manifest.json"),
        (with_info(members, "run.json", external_attr=(stat.S_IFLNK | 0o777) << 16), "no file"),
        (with_info(members, "run.json", compress_type=zipfile.ZIP_LZMA), "in a way that Meadow does not use"),
        (with_info(members, "x" * 60_000), "not part of a run"),
        (packed({f"{number}": b"" for number in range(MAX_DIRECTORY // 40)}), "files"),
    ):  # fmt: skip
        refused(target, archive, why)


def test_a_file_that_is_there_twice_or_is_not_what_the_manifest_says_is_refused(
    target: Dashboard, members: Members
) -> None:
    twice = packed({**members, "run.jsom": b"{}"}).replace(b"run.jsom", b"run.json")
    refused(target, twice, "is there twice")
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(packed(members))).read("manifest.json"))
    manifest["members"][0]["sha256"] = "0" * 64
    refused(target, packed({**members, "manifest.json": json.dumps(manifest).encode()}), "size or sha256 differs")
    manifest["members"].pop()
    refused(target, packed({**members, "manifest.json": json.dumps(manifest).encode()}), "does not name the files")


def test_a_bomb_is_refused_before_it_is_unpacked(target: Dashboard, members: Members) -> None:
    """A member says more bytes than it may have; one that says fewer than it has is cut off and its hash differs."""
    bomb = packed({**members, "model.npz": b"\0" * 3_500_000})
    assert len(bomb) < 200_000
    refused(target, bomb, "at most 3,048,576 are accepted")
    lying = bomb.replace((3_500_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert lying != bomb and zlib.crc32(lying) != zlib.crc32(bomb)
    refused(target, lying, "model.npz")


def set_(**values: object) -> Callable[[Any], object]:
    """Return an edit that sets fields of a document, or of its first row."""
    return lambda document: (document[0] if isinstance(document, list) else document).update(values)


def test_rows_and_references_that_do_not_fit_are_refused(target: Dashboard, members: Members) -> None:
    for name, edit, why in (
        ("run.json", set_(format="other"), "format"), ("run.json", set_(state="running"), "state"),
        ("run.json", set_(excluded=[3]), "names a client"), ("run.json", set_(current_round=2), "after the last one"),
        ("run.json", lambda run: run["config"].update(num_rounds="many"), "config: num_rounds"),
        ("run.json", lambda run: run["config"].update(clients=[7]), "names a client"),
        ("run.json", lambda run: run["models"]["last"].update(sha256="1" * 64), "weights that rounds.json"),
        ("run.json", set_(models={}), "the models that are there"), ("run.json", set_(more=1), "more"),
        ("rounds.json", lambda rows: rows.append(rows[0]), "order of the rounds"),
        ("replies.json", set_(client=3), "names a client"), ("metrics.json", set_(client=9), "names a client"),
        ("metrics.json", set_(value=float("nan")), "metrics.json"), ("metrics.json", set_(name='a"b'), "name"),
        ("events.json", set_(type="other"), "type"), ("events.json", set_(data={}), "events.json"),
        ("events.json", set_(data={"state": "x", "reason": None, "add": "5"}), "add"),
        ("events.json", set_(at="2026-01-01T00:00:00"), "at"),
    ):  # fmt: skip
        refused(target, edited(members, name, edit), why)
    for text in (b"[]", b"{}\n", b"[\n{}", b'[\n{"a":1}\n{"a":1}\n]\n', b"[\n]\nx", b"[\n" + b"[" * 100_000 + b"\n]\n"):
        refused(target, packed({**members, "events.json": text}), "events.json")


def test_weights_that_the_run_did_not_have_leave_nothing(target: Dashboard, members: Members) -> None:
    changed = bytearray(members["model.npz"])
    at = changed.index(b"\n") + 1
    changed[at : at + 4] = b"\1\2\3\4"
    for weights in (bytes(changed), b"no archive", b""):
        refused(target, packed({**members, "model.npz": weights}), "model.npz")


@settings(
    max_examples=int(FUZZ_SECONDS * 20) or 60, deadline=None, suppress_health_check=list(HealthCheck), database=None,
    derandomize=not FUZZ_SECONDS, phases=[Phase.generate],
)  # fmt: skip
@given(data=st.data())
def test_bytes_that_changed_on_the_way_are_noticed(target: Dashboard, members: Members, data: st.DataObject) -> None:
    archive = bytearray(packed(members, zipfile.ZIP_STORED))
    start = data.draw(st.integers(0, len(archive) - 1))
    piece = data.draw(st.binary(min_size=0, max_size=40))
    archive[start : start + data.draw(st.integers(0, 40))] = piece
    status, text = upload(target, bytes(archive))
    if status == 201:  # the change is in a field that says nothing of the content, such as a time
        run_id = json.loads(text)["id"]
        assert exported(target, run_id)["metrics.json"] == members["metrics.json"]
        assert target.http.delete(f"/api/runs/{run_id}").status_code == 204
    else:
        assert status == 422, text
    wait_until(lambda: is_empty(target), what="nothing is left")


def places_in(document: Any) -> Iterator[tuple[Any, Any]]:
    """Give every container of a document with each of its keys or indexes."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(inner):
        yield document, key
        if isinstance(value, dict | list):
            yield from places_in(value)


@settings(
    max_examples=int(FUZZ_SECONDS * 20) or 80, deadline=None, suppress_health_check=list(HealthCheck), database=None,
    derandomize=not FUZZ_SECONDS, phases=[Phase.generate],
)  # fmt: skip
@given(data=st.data())
def test_no_value_in_any_field_of_an_archive_breaks_a_page(
    target: Dashboard, members: Members, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["run.json", "rounds.json", "replies.json", "metrics.json", "events.json"]))
    value = data.draw(st.sampled_from(VALUES))
    document = json.loads(members[name])
    container, key = data.draw(st.sampled_from(list(places_in(document))))
    if value is MISSING:
        del container[key]
    else:
        container[key] = value
    rows = ",\n".join(map(json.dumps, document)) if isinstance(document, list) else json.dumps(document)
    text = f"[\n{rows}\n]\n" if isinstance(document, list) else rows
    status, said = upload(target, packed({**members, name: text.encode()}))
    assert status in (201, 422), said
    if status == 201:
        run_id = json.loads(said)["id"]
        addresses = ("/", "/runs", f"/runs/{run_id}", f"/runs/compare?id={run_id}", f"/runs/new?from={run_id}",
                     f"/api/runs/{run_id}", f"/api/runs/{run_id}/rounds", f"/api/runs/{run_id}/export",
                     f"/api/runs/{run_id}/series?metric=accuracy")  # fmt: skip
        broken = [address for address in addresses if target.http.get(address).status_code != 200]
        assert target.http.delete(f"/api/runs/{run_id}").status_code == 204
        assert not broken, (name, key, value)
    wait_until(lambda: is_empty(target), what="nothing is left")
