"""The files of runs on the Server page: how many of each kind, their size, and when Meadow deletes them."""

from sqlalchemy.orm import Session

from federation.coordinator.supervisor import KEPT_EXPORTS, KEPT_NETWORKS, KEPT_UPLOADS, FileKind
from webapp.db.repository.runs import run_ids
from webapp.formatting import plural
from webapp.parts import Parts
from webapp.settings import Settings


def file_lines(session: Session, parts: Parts) -> list[tuple[str, int, int, str]]:
    """Return the kinds of files with their number and size, and the rule by which they are deleted.

    The last, files that no run of the database has, only where there are any.
    """
    last, expiry = parts.settings.keep_checkpoints, retention_text(parts.settings)
    texts = {
        FileKind.CHECKPOINT: ("Checkpoints", f"latest {last} and the best of each run{expiry and f', {expiry}'}"),
        FileKind.EXPORT: ("Exported models", f"the {KEPT_EXPORTS} used last, of existing checkpoints"),
        FileKind.INITIAL: ("Built initial weights", f"the {KEPT_NETWORKS} networks and seeds used last"),
        FileKind.UPLOAD: ("Uploaded weights", f"those of existing runs, and the {KEPT_UPLOADS} newest others"),
        FileKind.OTHER: ("Folders in runs without a run", "all: delete them yourself, or restore their database"),
    }
    usage = parts.supervisor.files.usage(run_ids(session))
    return [
        (name, usage[kind].files, usage[kind].size_bytes, rule) for kind, (name, rule) in texts.items()
        if kind != FileKind.OTHER or usage[kind].files
    ]  # fmt: skip


def retention_text(settings: Settings) -> str:
    """Say which runs keep checkpoints and events; empty where all do."""
    texts = []
    if settings.keep_runs is not None:
        texts.append(f"of the {plural(settings.keep_runs, 'ended run')} that ended last")
    if settings.keep_days is not None:
        texts.append(f"for {plural(settings.keep_days, 'day')} after the end")
    return " and ".join(texts)
