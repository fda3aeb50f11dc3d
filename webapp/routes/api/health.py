"""/healthz: the process lives. /readyz: it can do its work, or why not."""

import logging

from fastapi import APIRouter, Response
from pydantic import BaseModel

from webapp.routes.api.errors import REFUSED
from webapp.routes.dependencies import PartsDep

log = logging.getLogger(__name__)
router = APIRouter(tags=["health"], responses={400: REFUSED[400]})


class Health(BaseModel):
    """The process answers."""

    status: str = "alive"


class Readiness(BaseModel):
    """Whether runs can be started, and what stands in the way."""

    ready: bool
    reasons: list[str]


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
def show_health() -> Health:
    """Say that the process lives."""
    return Health()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"model": Readiness, "description": "Something stands in the way."}})
def show_readiness(parts: PartsDep, response: Response) -> Readiness:
    """Say whether database and Flower server answer."""
    reasons = []
    try:
        parts.database.check()
    except Exception as error:
        log.warning("the database does not answer: %s", error)
        reasons.append("The database does not answer.")
    if not parts.flower.is_running:
        reasons.append("The Flower server is not running.")
    response.status_code = 503 if reasons else 200
    return Readiness(ready=not reasons, reasons=reasons)
