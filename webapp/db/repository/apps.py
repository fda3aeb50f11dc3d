"""apps: list, find by hash, change the state."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.db.tables import App, AppState


def list_apps(session: Session) -> Sequence[App]:
    """Return all apps, newest first."""
    return session.scalars(select(App).order_by(App.id.desc())).all()


def app_of_hash(session: Session, hash: str) -> App | None:
    """Return the app with a FAB's hash."""
    return session.scalar(select(App).where(App.hash == hash))


def apps_of_hashes(session: Session, hashes: Collection[str]) -> dict[str, App]:
    """Return hash -> app, of those that are there."""
    return {row.hash: row for row in session.scalars(select(App).where(App.hash.in_(hashes)))}


def is_approved(session: Session, hash: str) -> bool:
    """Return whether an admin has approved the app with a hash."""
    app = app_of_hash(session, hash)
    return app is not None and app.state == AppState.APPROVED


def move_app(session: Session, app_id: int, to: AppState, sources: Collection[AppState], by: str) -> bool:
    """Change an app's state if it is in one of ``sources``."""
    query = update(App).where(App.id == app_id, App.state.in_(sources)).values(
        state=to.value, decided_by=by, decided_at=datetime.now(UTC)
    )  # fmt: skip
    return session.execute(query.returning(App.id)).first() is not None
