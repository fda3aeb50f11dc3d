"""``flwr log``: the log of a run of an app as it grows, until the run has ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial

from fastapi.responses import Response, StreamingResponse

from federation.apps.cli_messages import STREAM_MEDIA_TYPE, log_piece, read_run_to_log
from federation.run.states import ENDED
from webapp.accounts.principal import Principal
from webapp.db.database import Database
from webapp.db.failures import DatabaseUnavailable
from webapp.operations.apps.outputs import AppOutputs
from webapp.operations.flwr_cli.logs import FollowedLog
from webapp.operations.flwr_cli.runs import app_run, sentence_of
from webapp.parts import Parts
from webapp.problems import NotFound
from webapp.routes.access import PrincipalDep
from webapp.routes.dependencies import PartsDep
from webapp.routes.flwr_cli.messages import BodyDep, calls, understood

router = calls()

LOOK_SECONDS, SILENT_SECONDS = 0.5, 15.0
"""How often the log is looked at, and after how long without a line an empty piece keeps proxies from closing."""

CUT_OFF = "The run continues, but this stream ends: the dashboard is stopping, or your access has ended.\n"


@router.post("/stream-logs")
def stream_log(parts: PartsDep, principal: PrincipalDep, body: BodyDep) -> Response:
    """Stream the log from its beginning; the first piece is all that there is by now."""
    run_id = understood(read_run_to_log, body)
    with parts.database.read() as session:
        run_id = app_run(session, run_id).id
    unbuffered = {"X-Accel-Buffering": "no"}  # by nginx
    return StreamingResponse(_pieces(parts, principal, run_id), headers=unbuffered, media_type=STREAM_MEDIA_TYPE)


async def _pieces(parts: Parts, reader: Principal, run_id: int) -> AsyncIterator[bytes]:
    log, told, sent_at = FollowedLog(AppOutputs(parts.settings.runs_dir / str(run_id))), "", -SILENT_SECONDS
    with parts.event_hub.subscribe(run_id, reader) as subscription:  # which ends with the reader's access
        while not subscription.has_ended:
            news, is_over = await asyncio.to_thread(_news, parts.database, run_id)
            text = await asyncio.to_thread(partial(log.read, is_over=is_over))
            if news not in ("", told):
                text, told = f"{text}Meadow: {news}\n", news
            if text or time.monotonic() - sent_at >= SILENT_SECONDS:
                yield log_piece(text, time.time())
                sent_at = time.monotonic()
            if is_over:
                return
            await asyncio.sleep(LOOK_SECONDS)
        yield log_piece(CUT_OFF, time.time())  # the command would else take it for the end of the log


def _news(database: Database, run_id: int) -> tuple[str, bool]:
    """Return what is to be said of a run besides its log, and whether the run is over."""
    try:
        with database.read() as session:
            run = app_run(session, run_id)
            return sentence_of(run), run.state in ENDED
    except NotFound:
        return f"run {run_id} was deleted", True
    except DatabaseUnavailable:
        return "", False
