"""Trackers of experiments on the Server page."""

from sqlalchemy.orm import Session

from webapp.formatting import clock
from webapp.parts import Parts


def mlflow_text(parts: Parts, session: Session) -> str:
    """Say where runs are sent, and why they are not."""
    if not parts.mlflow.url:
        return "off"
    failure = parts.mlflow.failure(session)
    if failure is None:
        return parts.mlflow.url
    return f"{parts.mlflow.url}, failing: {failure[0]}; next try {clock(failure[1])}"


def tensorboard_text(parts: Parts) -> str:
    """Say where event files are written, and why they are not."""
    if parts.settings.tensorboard_dir is None:
        return "off"
    folder, problem = parts.settings.tensorboard_dir.resolve(), parts.tensorboard.problem
    return f"{folder}, not written: {problem}" if problem else str(folder)
