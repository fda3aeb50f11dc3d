"""The line of MLflow on the Server page."""

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
