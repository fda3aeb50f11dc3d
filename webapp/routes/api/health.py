"""/healthz: the process is alive. /readyz: whether the server is ready, or why not. /metrics: for Prometheus."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel

from webapp.operations.metrics.readiness import reasons_not_ready
from webapp.routes.api.errors import REFUSED
from webapp.routes.dependencies import PartsDep

router = APIRouter(tags=["health"], responses={400: REFUSED[400]})


class Health(BaseModel):
    """The process is alive."""

    status: str = "alive"


class Readiness(BaseModel):
    """Whether the server is ready, and the reasons if not."""

    ready: bool
    reasons: list[str]


@router.get("/healthz")
def show_health() -> Health:
    """Return that the process is alive."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "The server is not ready."}})
def show_readiness(request: Request, parts: PartsDep, response: Response) -> Readiness:
    """Return whether database, disk and Flower server are ready; why they are not is told to signed-in people."""
    lock, data_dir = parts.instance_lock, parts.settings.data_dir
    reasons = list(reasons_not_ready(parts.database, parts.flower, lock, data_dir, parts.tls))
    response.status_code = 503 if reasons else 200
    return Readiness(ready=not reasons, reasons=reasons if request.state.principal else [])


@router.get(
    "/metrics", response_class=StreamingResponse, responses={200: {"content": {"text/plain": {}}}, 403: REFUSED[403]}
)
def show_metrics(parts: PartsDep) -> Response:
    """Return the metrics in the text format of Prometheus."""
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
