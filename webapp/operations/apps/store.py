"""The store of Flower Apps: operators add them, admins approve the hash of one, and only an approved one runs."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, Field

from federation.apps.archive import AppArchive, AppUnusable, checked_settings, read_app
from federation.weights.files import write_file
from webapp.db.database import Database
from webapp.db.repository import apps as table
from webapp.db.repository.rows import count_rows, delete_row, get_row, insert_row
from webapp.db.tables import APP_MOVES, App, AppState
from webapp.problems import Conflict, Invalid, not_stored

MAX_APPS = 200
OFF = "Flower Apps are off: start the dashboard with --apps."


class AppView(BaseModel):
    """One Flower App."""

    id: int = Field(examples=[1])
    hash: str = Field(description="SHA-256 of the FAB, which is what an admin approves.", examples=["9f86d081" * 8])
    publisher: str
    name: str
    version: str
    settings: dict[str, Any] = Field(description="Settings of [tool.flwr.app.config] with their defaults.")
    files: int
    size_bytes: int
    state: AppState
    added_by: str
    added_at: datetime
    decided_by: str | None = Field(description="The admin who approved or withdrew it last.")
    decided_at: datetime | None

    @property
    def title(self) -> str:
        """What people call the app."""
        return f"{self.publisher}/{self.name} {self.version}"


class Apps:
    """The apps of this dashboard. Any thread may call it; methods with an app_id raise NotFound.

    ``is_on`` False: nothing is added or approved, and no app runs.
    """

    def __init__(self, database: Database, folder: Path, *, is_on: bool) -> None:
        self._database, self._folder, self.is_on = database, folder, is_on

    def list(self) -> list[AppView]:
        """Return all apps, newest first."""
        with self._database.read() as session:
            return [app_view(row) for row in table.list_apps(session)]

    def offered(self) -> Sequence[tuple[str, str]]:
        """Return the hashes of the approved apps, and what people call them: none where apps are off."""
        found = self.list() if self.is_on else []
        return [(one.hash, f"{one.title} ({one.hash[:8]})") for one in found if one.state is AppState.APPROVED]

    def show(self, app_id: int) -> AppView:
        """Return one app."""
        with self._database.read() as session:
            return app_view(get_row(session, App, app_id, "app"))

    def find(self, hash: str) -> AppView | None:
        """Return the app with a hash; None where there is none."""
        with self._database.read() as session:
            row = table.app_of_hash(session, hash)
            return app_view(row) if row is not None else None

    def add(self, packed: BinaryIO, by: str) -> AppView:
        """Keep an app, which an admin has to approve; one that is there already stays as it is.

        Raises Invalid for an archive that is refused, and a Problem if the disk does not take it.
        """
        self._require_on()
        try:
            app = read_app(packed)
        except AppUnusable as error:
            raise Invalid("file", str(error)) from error
        with self._database.write() as session:  # the file is written in it: a deletion of the same app waits
            known = table.app_of_hash(session, app.hash)
            if known is None and count_rows(session, App) >= MAX_APPS:
                raise Conflict(f"There are {MAX_APPS:,} apps: delete those that are not needed.")
            self._write(app)
            return app_view(known or insert_row(session, _row(app, by)))

    def _write(self, app: AppArchive) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.file_of(app.hash), app.fab, shared=True)
        except OSError as error:
            raise not_stored("The app cannot be stored", error) from error

    def move(self, app_id: int, to: AppState, by: str) -> AppView:
        """Approve an app or withdraw it; raises Conflict where its state does not allow it."""
        if to is AppState.APPROVED:
            self._require_on()
        with self._database.write() as session:
            row = get_row(session, App, app_id, "app")
            if not table.move_app(session, app_id, to, {one for one, into in APP_MOVES.items() if to in into}, by):
                raise Conflict(f"{app_view(row).title} is {row.state} already.")
            session.expire_all()
            return app_view(get_row(session, App, app_id, "app"))

    def delete(self, app_id: int) -> AppView:
        """Delete an app with its FAB. Runs that it has done stay."""
        with self._database.write() as session:
            view = app_view(get_row(session, App, app_id, "app"))
            delete_row(session, App, app_id)
            self.file_of(view.hash).unlink(missing_ok=True)
        return view

    def approved(self, hash: str) -> tuple[AppView, bytes]:
        """Return an app and its FAB; raises Conflict unless it is approved and its file is what was approved."""
        self._require_on()
        view = self.find(hash)
        if view is None:
            raise Conflict(f"The app {hash[:8]} was deleted. Upload it again.")
        if view.state is not AppState.APPROVED:
            raise Conflict(f"{view.title} ({hash[:8]}) is {view.state}: an admin has to approve it first.")
        try:
            fab = self.file_of(hash).read_bytes()
        except OSError as error:
            raise Conflict(f"The FAB of {view.title} cannot be read. Upload it again.") from error
        if hashlib.sha256(fab).hexdigest() != hash:
            raise Conflict(f"The FAB of {view.title} was changed on disk. Upload it again.")
        return view, fab

    def file_of(self, hash: str) -> Path:
        """Return where the FAB with a hash is."""
        return self._folder / f"{hash}.fab"

    def _require_on(self) -> None:
        if not self.is_on:
            raise Conflict(OFF)


def settings_of(app: AppView, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run of an app, the defaults where nothing is given; raises Invalid."""
    try:
        return checked_settings(app.settings, given)
    except ValueError as error:
        raise Invalid("settings", str(error)) from error


def app_view(row: App) -> AppView:
    """Return an app as pages and the API show it."""
    return AppView(**{name: getattr(row, name) for name in AppView.model_fields})


def _row(app: AppArchive, by: str) -> App:
    return App(
        hash=app.hash, publisher=app.publisher, name=app.name, version=app.version, settings=dict(app.settings),
        files=app.files, size_bytes=len(app.fab), state=AppState.UPLOADED.value, added_by=by,
        added_at=datetime.now(UTC),
    )  # fmt: skip
