"""An uploaded Flower App: its archive read within limits, in memory. Nothing of it is imported or written."""

import hashlib
import re
import stat
import tomllib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from federation.run.choices import AppKey, AppValue

MAX_PACKED_BYTES, MAX_UNPACKED_BYTES, MAX_FILES = 10 * 1024 * 1024, 50 * 1024 * 1024, 2_000
MAX_PROJECT_BYTES, MAX_SETTINGS, MAX_PATH = 100_000, 100, 200

PROJECT, MANIFEST = "pyproject.toml", ".info/CONTENT"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
"""Of a publisher, an app and a version: a SuperNode makes a folder of that name."""
NOT_OF_THE_APP = ("__MACOSX/", ".git/")

UNREADABLE = (zipfile.BadZipFile, zlib.error, ValueError, OverflowError, OSError, EOFError, RuntimeError)
"""What zipfile raises for an archive that is damaged, encrypted, or whose headers lie."""


class AppUnusable(Exception):
    """The archive is refused; the sentence says why."""


@dataclass(frozen=True, slots=True)
class AppArchive:
    """A Flower App: its FAB, what it calls itself, and its settings with their defaults (``tool.flwr.app.config``)."""

    publisher: str
    name: str
    version: str
    settings: Mapping[str, AppValue]
    files: int
    fab: bytes = field(repr=False)

    @property
    def hash(self) -> str:
        """The FAB's SHA-256 in hexadecimal, as Flower and SuperNodes name it."""
        return hashlib.sha256(self.fab).hexdigest()


@dataclass(frozen=True, slots=True)
class ApprovedApp:
    """An app that an admin has approved: its FAB, the hash of it, and what it calls itself."""

    fab: bytes = field(repr=False)
    hash: str
    app_id: str
    version: str


def read_app(packed: BinaryIO) -> AppArchive:
    """Return the app of a FAB, which stays as it is, or of the zip of an app's folder; raises AppUnusable."""
    data = packed.read(MAX_PACKED_BYTES + 1)
    if len(data) > MAX_PACKED_BYTES:
        raise AppUnusable(f"An archive has at most {MAX_PACKED_BYTES:,} bytes")
    files = _unpack(data)
    if MANIFEST in files:
        _check_manifest(files)
        project, fab = _project_of(files), data
    else:
        fab = _build(_without_folder(files))
        project = _project_of(_unpack(fab))
    return _described(project, len(files), fab)


def _unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of a zip archive by their paths."""
    if data.count(b"PK\x01\x02") > MAX_FILES + 100:  # before zipfile makes an object of each entry
        raise AppUnusable(f"An app has at most {MAX_FILES:,} files")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = [one for one in archive.infolist() if not one.is_dir()]
            if len(entries) > MAX_FILES:
                raise AppUnusable(f"An app has at most {MAX_FILES:,} files")
            if sum(one.file_size for one in entries) > MAX_UNPACKED_BYTES:
                raise AppUnusable(f"An unpacked app has at most {MAX_UNPACKED_BYTES:,} bytes")
            files: dict[str, bytes] = {}
            for one in entries:
                _check_entry(one)
                if one.filename in files:
                    raise AppUnusable(f"The archive holds {_shown(one.filename)} twice")
                with archive.open(one) as packed:  # read() without a size would unpack what a lying header hides
                    files[one.filename] = packed.read(one.file_size + 1)
            return files
    except UNREADABLE as error:
        raise AppUnusable("The file is no zip archive that can be read") from error


def _check_entry(entry: zipfile.ZipInfo) -> None:
    path, mode = entry.filename, entry.external_attr >> 16
    parts = path.split("/")
    escapes = path.startswith("/") or any(part in ("", ".", "..") for part in parts)
    if escapes or "\\" in path or ":" in path or "," in path or not path.isprintable() or len(path) > MAX_PATH:
        raise AppUnusable(f"The archive holds a path that is not allowed: {_shown(path)}")
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        raise AppUnusable(f"{_shown(path)} is a link or a device: an app holds files only")
    if entry.flag_bits & 1:
        raise AppUnusable(f"{_shown(path)} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise AppUnusable(f"{_shown(path)} is compressed in a way that Flower does not use")


def _shown(path: str) -> str:
    return ascii(path[:80])


def _without_folder(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the app's own folder, which the archive may hold as a whole."""
    own = {path: data for path, data in files.items() if not path.startswith(NOT_OF_THE_APP)}
    if PROJECT not in own and len(tops := {path.split("/")[0] for path in own}) == 1:
        return {path.partition("/")[2]: data for path, data in own.items() if "/" in path and tops}
    return own


def _check_manifest(files: Mapping[str, bytes]) -> None:
    """Refuse a FAB whose list of hashes does not fit: no SuperNode would install it."""
    try:
        listed = [line.split(",") for line in files[MANIFEST].decode().strip().splitlines()]
        hashes = {path: digest for path, digest, _ in listed}
    except ValueError as error:
        raise AppUnusable(f"{MANIFEST} of the FAB cannot be read") from error
    if hashes.keys() != files.keys() - {MANIFEST}:
        raise AppUnusable(f"{MANIFEST} of the FAB lists other files than it holds")
    for path, digest in hashes.items():
        if hashlib.sha256(files[path]).hexdigest() != digest:
            raise AppUnusable(f"The hash of {_shown(path)} does not fit: the FAB was changed after it was built")


def _project_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the content of ``pyproject.toml``."""
    from federation.flwr_internals import validate_config

    if (text := files.get(PROJECT)) is None:
        raise AppUnusable(f"There is no {PROJECT} in the app's folder")
    if len(text) > MAX_PROJECT_BYTES:
        raise AppUnusable(f"{PROJECT} has at most {MAX_PROJECT_BYTES:,} bytes")
    try:
        project = tomllib.loads(text.decode())
        is_valid, errors, _ = validate_config(project, check_module=False)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise AppUnusable(f"{PROJECT} is not valid: {str(error)[:200]}") from error
    if not is_valid:
        raise AppUnusable(f"{PROJECT} is not valid: {'; '.join(errors)[:300]}")
    return project


def _build(files: Mapping[str, bytes]) -> bytes:
    """Return the FAB of an app's files, as ``flwr build`` makes it: equal files have an equal FAB."""
    from federation.flwr_internals import build_fab_from_files  # half a second, for those who upload a folder

    _project_of(files)
    try:
        return build_fab_from_files(files)[0]
    except Exception as error:  # of click as well, whose errors have a type of their own
        raise AppUnusable(f"Flower cannot build the app: {str(error)[:300]}") from error


def _described(project: Mapping[str, Any], files: int, fab: bytes) -> AppArchive:
    """Return what the app calls itself."""
    from federation.flwr_internals import flatten_dict

    app = project["tool"]["flwr"]["app"]
    names = {
        "publisher": app["publisher"],
        "name": project["project"]["name"],
        "version": project["project"]["version"],
    }
    for what, value in names.items():
        if not isinstance(value, str) or NAME.fullmatch(value) is None or ".." in value:
            raise AppUnusable(f"The {what} in {PROJECT} must be letters, digits and . _ + - alone, at most 100")
    if not {"serverapp", "clientapp"} <= app["components"].keys():
        raise AppUnusable("An app needs a serverapp and a clientapp: agents are not run")
    try:
        settings = SETTINGS.validate_python(flatten_dict(app.get("config", {})))
    except (ValidationError, ValueError, RecursionError) as error:
        raise AppUnusable(f"The settings in [tool.flwr.app.config] are not valid: {str(error)[:200]}") from error
    if len(settings) > MAX_SETTINGS:
        raise AppUnusable(f"An app has at most {MAX_SETTINGS:,} settings")
    return AppArchive(**names, settings=settings, files=files, fab=fab)


SETTINGS: TypeAdapter[dict[str, AppValue]] = TypeAdapter(dict[AppKey, AppValue])


def checked_settings(defaults: Mapping[str, AppValue], given: Mapping[str, Any]) -> dict[str, AppValue]:
    """Return the settings of a run: the defaults with what is given, each of its default's type; raises ValueError."""
    if unknown := given.keys() - defaults.keys():
        raise ValueError(f"The app has no setting {min(unknown)[:100]}")
    settings = SETTINGS.validate_python({**defaults, **given}, strict=True)
    for name, default in defaults.items():
        value, kind = settings[name], type(default)
        if kind is float and type(value) is int:
            settings[name] = float(value)
        elif type(value) is not kind:
            raise ValueError(f"{name} must be {KINDS[kind]}")
    return settings


KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
