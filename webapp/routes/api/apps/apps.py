"""/api/apps: upload a Flower App, approve its hash, withdraw and delete it."""

from typing import Annotated

from fastapi import APIRouter, File, UploadFile
from pydantic import BaseModel

from webapp.db.tables import AppState
from webapp.operations.apps.store import AppView
from webapp.operations.audit.attempts import Note
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED, STORED
from webapp.routes.dependencies import ByDep, Id, NoteDep, PartsDep

router = APIRouter(prefix="/api/apps", tags=["apps"], responses=REFUSED)

ARCHIVE = "A .fab of `flwr build`, or a zip of the app's folder: 10 MiB, 50 MiB unpacked, 2,000 files at most."


class AppList(BaseModel):
    """All apps, newest first."""

    items: list[AppView]


@router.get("")
def list_apps(parts: PartsDep) -> AppList:
    """Return all apps."""
    return AppList(items=parts.apps.list())


@router.get("/{app_id}", responses=MISSING)
def show_app(parts: PartsDep, app_id: Id) -> AppView:
    """Return one app."""
    return parts.apps.show(app_id)


@router.post("", status_code=201, responses={**STORED, **CONFLICT})
def upload_app(
    parts: PartsDep, note: NoteDep, by: ByDep, file: Annotated[UploadFile, File(description=ARCHIVE)]
) -> AppView:
    """Keep an app. Nothing of it runs before an admin approves its hash; one that is there already stays as it is."""
    return noted(parts.apps.add(file.file, by), note)


@router.post("/{app_id}/approve", responses=CONFLICT)
def approve_app(parts: PartsDep, note: NoteDep, by: ByDep, app_id: Id) -> AppView:
    """Approve an app: operators may run its code on this machine and on all SuperNodes."""
    return noted(parts.apps.move(app_id, AppState.APPROVED, by), note)


@router.post("/{app_id}/withdraw", responses=CONFLICT)
def withdraw_app(parts: PartsDep, note: NoteDep, by: ByDep, app_id: Id) -> AppView:
    """Withdraw an app: it does not start any more. Its active run continues."""
    return noted(parts.apps.move(app_id, AppState.WITHDRAWN, by), note)


@router.delete("/{app_id}", status_code=204, responses=MISSING)
def delete_app(parts: PartsDep, note: NoteDep, app_id: Id) -> None:
    """Delete an app. Its runs stay."""
    noted(parts.apps.delete(app_id), note)


def noted(app: AppView, note: Note) -> AppView:
    """Return an app once the audit log has its hash and name."""
    note.target = f"app {app.id}"
    note.detail |= {"app": app.title, "sha256": app.hash}
    return app
