"""A backup: one tar archive with the database as of one moment and the files that belong to it, and the way back.

The first member is ``backup.json``, which names each other member with its size and sha256. A dashboard may run while
its backup is written. Only a data directory that holds nothing else takes a backup back.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from glob import escape
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from webapp.db.repository.storage import copy_sqlite
from webapp.db.temporaries import delete_unlocked, temporary_folder

DATABASE = "meadow.db"
MANIFEST = "backup.json"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
NOT_LINKED = ("*.lock", "*.log", "*.db", "*.db-wal", "*.db-shm", "*.keras", "*.onnx", "*.savedmodel", "reserve")
"""Databases are copied by SQLite; the others are made anew where they are needed. Hidden files are temporary."""


class BackupUnusable(Exception):
    """A backup cannot be written or restored; the sentence says why and what to do."""


class File(BaseModel):
    """A member of the archive."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What an archive holds. ``files``: path inside the data directory -> size in bytes and sha256."""

    model_config = ConfigDict(extra="forbid")

    format: int = Field(1, ge=1, le=1)
    meadow: str
    made_at: datetime
    files: dict[str, File]


def write_backup(data_dir: Path, database: Path, file: Path) -> Manifest:
    """Write database and files of ``data_dir`` into a new archive. Raises BackupUnusable, OSError or sqlite3.Error.

    The files are linked while no commit can end, so each checkpoint that the copied database needs is among them. Where
    the file system has no hard links they are copied, and commits wait as long.
    """
    if file.exists():
        raise BackupUnusable(f"{file} exists. Choose another file.")
    if data_dir.resolve() in file.resolve().parents:
        raise BackupUnusable(
            f"{file} lies in the data directory, and would be part of the next backup. Choose another."
        )
    if link := next((path for path in data_dir.rglob("*") if path.is_symlink()), None):
        raise BackupUnusable(
            f"{link} is a symbolic link, whose content no backup would hold. Replace it by the content."
        )
    with temporary_folder(data_dir, ".backup-") as staged:
        copy_sqlite(database, staged / DATABASE, lambda: _link_files(data_dir, staged))
        for other in (path for path in _files_below(data_dir) if path.suffix == ".db"):
            if other.resolve() != database.resolve():
                copy_sqlite(other, _folder_of(staged / other.relative_to(data_dir)))
        files = {path.relative_to(staged).as_posix(): _describe(path) for path in _files_below(staged)}
        manifest = Manifest(meadow=version("meadow"), made_at=datetime.now(UTC), files=files)
        _write_archive(file, staged, manifest)
    return manifest


def restore_backup(file: Path, data_dir: Path) -> Manifest:
    """Lay an archive out in a data directory that holds nothing but a lock file. Raises BackupUnusable or OSError.

    Nothing is laid out unless the whole archive is what its manifest says.
    """
    with temporary_folder(data_dir, ".restore-") as staged:
        if found := sorted(one.name for one in data_dir.iterdir() if one.suffix != ".lock" and one.name != staged.name):
            raise BackupUnusable(f"{data_dir} holds {found[0]}: move its content away, or choose a new --data-dir.")
        try:
            with tarfile.open(file, "r:") as archive:
                manifest = _read_manifest(archive)
                for member in archive:
                    _extract(archive, member, manifest, staged)
        except tarfile.TarError as error:
            raise BackupUnusable(f"{file} is not a backup of Meadow: {error}.") from error
        if missing := [path for path in manifest.files if not (staged / path).exists()]:
            raise BackupUnusable(f"{file} is incomplete: {missing[0]} is missing.")
        # the database last: a restore that is killed leaves no database without its files
        for entry in sorted(staged.iterdir(), key=lambda one: one.name == DATABASE):
            os.replace(entry, data_dir / entry.name)
    return manifest


def _link_files(data_dir: Path, staged: Path) -> None:
    for path in _files_below(data_dir, *NOT_LINKED):
        target = _folder_of(staged / path.relative_to(data_dir))
        try:
            os.link(path, target)
        except FileNotFoundError:  # an expired checkpoint, which was deleted between the look at the folder and now
            continue
        except OSError:  # the file system has no hard links
            shutil.copyfile(path, target)


def _files_below(folder: Path, *but: str) -> Iterator[Path]:
    """Give the files below a folder that are not hidden and match none of some patterns."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and not any(path.match(one) for one in but):
            yield path


def _folder_of(path: Path) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _describe(path: Path) -> File:
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return File(size=path.stat().st_size, sha256=digest.hexdigest())


def _write_archive(file: Path, staged: Path, manifest: Manifest) -> None:
    delete_unlocked(file.parent, f".{escape(file.name)}.{'[0-9a-f]' * 8}")
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as stream:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
                text = manifest.model_dump_json().encode()
                head = tarfile.TarInfo(MANIFEST)
                head.size, head.mode = len(text), 0o600
                archive.addfile(head, io.BytesIO(text))
                for path in manifest.files:
                    archive.add(staged / path, path, recursive=False)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read_manifest(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    stream = archive.extractfile(member) if member is not None and member.name == MANIFEST and member.isreg() else None
    if member is None or stream is None or member.size > MAX_MANIFEST_BYTES:
        raise BackupUnusable("The archive is not a backup of Meadow: it does not begin with backup.json.")
    try:
        manifest = Manifest.model_validate_json(stream.read())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BackupUnusable(f"backup.json of the archive cannot be read: {place}: {first['msg']}.") from error
    for path in manifest.files:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != path or "\0" in path:
            raise BackupUnusable(f"backup.json of the archive names {path!r}, which is outside the data directory.")
    if DATABASE not in manifest.files:
        raise BackupUnusable(f"The archive holds no {DATABASE}.")
    return manifest


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, manifest: Manifest, staged: Path) -> None:
    if member.name == MANIFEST:
        return
    expected = manifest.files.get(member.name)
    stream = archive.extractfile(member) if member.isreg() else None
    if expected is None or stream is None or member.size != expected.size:
        raise BackupUnusable(f"{member.name!r} in the archive is not what backup.json says.")
    target, digest = _folder_of(staged / member.name), hashlib.sha256()
    with open(target, "xb") as copy:
        while piece := stream.read(1 << 20):
            digest.update(piece)
            copy.write(piece)
    if digest.hexdigest() != expected.sha256:
        raise BackupUnusable(f"{member.name} in the archive is damaged: its sha256 differs.")
