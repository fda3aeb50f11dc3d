"""Uploaded apps: what is read of a good one, and the sentence that a hostile one is refused with."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from flwr.cli.build import build_fab_from_files

from federation.apps.archive import AppUnusable, checked_settings, read_app
from tests.support.flower_apps import SETTINGS, folder_of, zip_of


def read(packed: bytes) -> Any:
    return read_app(io.BytesIO(packed))


def test_a_fab_stays_as_it_is_and_a_zip_of_the_folder_becomes_the_same_fab() -> None:
    fab = build_fab_from_files(folder_of())[0]
    app, zipped, whole = read(fab), read(zip_of(folder_of())), read(zip_of(folder_of(), "small/"))
    assert app.fab == fab and app.hash == zipped.hash == whole.hash
    assert (app.publisher, app.name, app.version) == ("lab", "small", "1.0.0")
    assert app.settings == {
        "num-server-rounds": 2, "learning-rate": 0.1, "verbose": True, "data.name": "digits",
    }  # fmt: skip


def entry(name: str, mode: int = 0, content: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return packed.getvalue()


def changed() -> bytes:
    """Return a FAB in which a file is another one than the list of hashes says."""
    packed = io.BytesIO(build_fab_from_files(folder_of())[0])
    with zipfile.ZipFile(packed) as archive:
        files = {one.filename: archive.read(one) for one in archive.infolist()}
    return zip_of(files | {"small/server.py": b"import os"})


def lying_bomb() -> bytes:
    """Return an archive whose only file is 200 MB, and a hundred bytes by its headers."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pyproject.toml", bytes(200_000_000))
    return packed.getvalue().replace(struct.pack("<I", 200_000_000), struct.pack("<I", 100))


def doubled() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pyproject.toml", "a = 1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("pyproject.toml", "a = 2")
    return packed.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb": (lambda: zip_of({f"{i}.py": bytes(20_000_000) for i in range(3)}), "unpacked app has at most 52,428,800"),
    "lying bomb": (lying_bomb, "no zip archive"),
    "many files": (lambda: zip_of({f"{i}.py": b"" for i in range(2001)}), "at most 2,000 files"),
    "large": (lambda: bytes(10 * 1024 * 1024 + 1), "at most 10,485,760 bytes"),
    "up": (lambda: entry("../../evil.py"), "not allowed: '../../evil.py'"),
    "root": (lambda: entry("/etc/passwd"), "not allowed"),
    "windows": (lambda: entry("C:\\evil.py"), "not allowed"),
    "link": (lambda: entry("link.py", 0o120777, b"/etc/passwd"), "is a link or a device"),
    "twice": (doubled, "holds 'pyproject.toml' twice"),
    "no zip": (lambda: b"PK\x03\x04 and no more", "no zip archive"),
    "no project": (lambda: zip_of({"a.py": ""}), "no pyproject.toml"),
    "changed": (changed, "The hash of 'small/server.py' does not fit"),
    "no app": (lambda: zip_of({"pyproject.toml": "[project]\nname = 'a'\nversion = '1'"}), "Missing [tool.flwr.app]"),
    "name": (lambda: zip_of(folder_of() | {
        "pyproject.toml": folder_of()["pyproject.toml"].replace(b'"lab"', b'"../lab"')}), "publisher"),
    "setting": (lambda: zip_of(folder_of(settings="when = 2020-01-01")), "not valid"),
    "long setting": (lambda: zip_of(folder_of(settings=f"text = '{'a' * 1001}'")), "settings in"),
    "deep": (lambda: zip_of({"pyproject.toml": "a = " + "[" * 20_000}), "not valid"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_with_the_reason_and_little_memory(kind: str) -> None:
    make, says = HOSTILE[kind]
    packed = make()
    tracemalloc.start()
    try:
        with pytest.raises(AppUnusable) as refused:
            read(packed)
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()
    assert says in str(refused.value)


def test_settings_of_a_run_are_the_defaults_with_what_is_given_of_the_same_type() -> None:
    defaults = read(zip_of(folder_of(settings=SETTINGS))).settings
    assert checked_settings(defaults, {"learning-rate": 1})["learning-rate"] == 1.0
    for given, says in (
        ({"epochs": 1}, "no setting epochs"), ({"num-server-rounds": 1.5}, "must be a whole number"),
        ({"verbose": 1}, "must be true or false"), ({"data.name": 3}, "must be text"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            checked_settings(defaults, given)
