"""What the run of an app leaves on disk: its log, and the files of its working folder.

An app may have made links to anything that the dashboard can read: only plain files that have no second name are read.
"""

import os
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from federation.coordinator.supervisor import APP_FOLDER
from webapp.formatting import size
from webapp.problems import Conflict, NotFound
from webapp.sanitizing import COLOURS, clean_line

LOG, FILES, MODEL = "log.txt", "files", "model.npz"
MAX_LOG_PIECE, TAIL_BYTES, TAIL_LINES = 64 * 1024, 64 * 1024, 200
MAX_ARTIFACTS, MAX_ARTIFACT_BYTES, PIECE_BYTES = 2_000, 512 * 1024 * 1024, 256 * 1024


class Artifact(NamedTuple):
    """A file of an app: its path in the working folder, and its size."""

    path: str
    size_bytes: int


class AppOutputs:
    """The outputs of one run of an app; ``folder`` is the run's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / APP_FOLDER

    def log(self, after: int) -> tuple[str, int]:
        """Return the log from a byte on, a piece of it, and the byte to continue from."""
        piece = self.read(after)
        return COLOURS.sub("", piece.decode(errors="replace")), after + len(piece)

    def read(self, after: int, most: int = MAX_LOG_PIECE) -> bytes:
        """Return a piece of the log from a byte on, as the app has written it; empty at its end."""
        try:
            with open(self._folder / LOG, "rb") as file:
                file.seek(after)
                return file.read(most)
        except OSError:
            return b""

    def tail(self) -> list[str]:
        """Return the last lines of the log."""
        try:
            end = (self._folder / LOG).stat().st_size
        except OSError:
            return []
        lines = self.read(max(0, end - TAIL_BYTES), TAIL_BYTES).decode(errors="replace").splitlines()
        return [clean_line(line) for line in lines[-TAIL_LINES:]]

    def model(self) -> tuple[BinaryIO, int]:
        """Return the arrays with which the app's strategy ended, as an open .npz, and its bytes; raises NotFound."""
        try:
            file = _open_plain(self._folder / MODEL)
        except OSError as error:
            missing = "no strategy of Flower's has ended in its ServerApp, or it has not aggregated weights"
            raise NotFound(f"There is no model of the app: {missing}.") from error
        return file, os.fstat(file.fileno()).st_size

    @property
    def has_model(self) -> bool:
        """Whether there is a model."""
        path = self._folder / MODEL
        return path.is_file() and not path.is_symlink()

    def artifacts(self) -> list[Artifact]:
        """Return the files of the app's working folder, by path; links and all that is no plain file are left out."""
        root, found = self._folder / FILES, list[Artifact]()
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder, name)
                try:
                    seen = path.lstat()
                except OSError:
                    continue
                if stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1:
                    found.append(Artifact(str(path.relative_to(root)), seen.st_size))
                if len(found) > MAX_ARTIFACTS:
                    return found
        return sorted(found)

    def archive(self, folder: Path) -> BinaryIO:
        """Return the artifacts as one zip, in a file without a name in ``folder``; raises NotFound and Conflict."""
        if not (found := self.artifacts()):
            raise NotFound("The app has left no files.")
        total = sum(one.size_bytes for one in found)
        if len(found) > MAX_ARTIFACTS or total > MAX_ARTIFACT_BYTES:
            most = f"{MAX_ARTIFACTS:,} files and {size(MAX_ARTIFACT_BYTES)}"
            raise Conflict(f"The app has left more than can be downloaded at once, which is {most}.")
        file = cast(BinaryIO, tempfile.TemporaryFile(dir=folder))  # noqa: SIM115  # its reader closes it
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for one in found:
                    self._add(archive, one)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def _add(self, archive: zipfile.ZipFile, one: Artifact) -> None:
        try:
            source = _open_plain(self._folder / FILES / one.path)
        except FileNotFoundError:
            return
        with source:
            name = one.path.encode("utf-8", "replace").decode()
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
                left = one.size_bytes
                while left > 0 and (piece := source.read(min(PIECE_BYTES, left))):
                    target.write(piece)
                    left -= len(piece)


def _open_plain(path: Path) -> BinaryIO:
    """Open a plain file without a second name; raises OSError, FileNotFoundError for what is none."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    seen = os.fstat(file.fileno())
    if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
        file.close()
        raise FileNotFoundError(path)
    return file
