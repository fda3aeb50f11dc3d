"""What the flwr command sends to a dashboard and expects of it: messages of Flower's Control API, as plain values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from federation.flwr_internals import (
    NOOP_FEDERATION_ID,
    PROTOBUF_MEDIA_TYPE,
    PROTOBUF_STREAM_MEDIA_TYPE,
    AuthnType,
    GetAuthTokensRequest,
    GetAuthTokensResponse,
    GetLoginDetailsResponse,
    ListRunsRequest,
    ListRunsResponse,
    StartRunRequest,
    StartRunResponse,
    Status,
    StopRunRequest,
    StopRunResponse,
    StreamLogsRequest,
    StreamLogsResponse,
    SubStatus,
    frame_message,
)
from federation.run.states import RunState

MEDIA_TYPE, STREAM_MEDIA_TYPE = PROTOBUF_MEDIA_TYPE, PROTOBUF_STREAM_MEDIA_TYPE
DEFAULT_RUNS = 20
"""So many runs ``flwr ls`` gets of Flower's own server where it names no number."""

STATUS: dict[RunState, tuple[str, str]] = {
    RunState.QUEUED: (Status.PENDING, ""), RunState.WAITING: (Status.STARTING, ""),
    RunState.RUNNING: (Status.RUNNING, ""), RunState.PAUSED: (Status.RUNNING, ""),
    RunState.STOPPING: (Status.RUNNING, ""), RunState.COMPLETED: (Status.FINISHED, SubStatus.COMPLETED),
    RunState.FAILED: (Status.FINISHED, SubStatus.FAILED), RunState.INTERRUPTED: (Status.FINISHED, SubStatus.FAILED),
    RunState.STOPPED: (Status.FINISHED, SubStatus.STOPPED), RunState.CANCELLED: (Status.FINISHED, SubStatus.STOPPED),
}  # fmt: skip
"""What Flower calls a state of a run: the status, and how a run that is over has ended."""


class NotUnderstood(Exception):
    """A request is no such message, or asks for what there is not; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class AppToRun:
    """What ``flwr run`` sends: the FAB, and the settings of ``--run-config``."""

    fab: bytes = field(repr=False)
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WantedRuns:
    """Which runs ``flwr ls`` asks for: one by its id, or the newest."""

    run_id: int | None
    limit: int
    skip: int


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run of an app, as ``flwr ls`` shows it."""

    id: int
    app: str
    version: str
    hash: str
    state: RunState
    details: str
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def _read(kind: Any, body: bytes) -> Any:
    message = kind()
    try:
        message.ParseFromString(body)
    except Exception as error:  # protobuf's own error, and those of its implementations
        raise NotUnderstood("The body is not what this call of the flwr command sends") from error
    return message


def read_app_to_run(body: bytes) -> AppToRun:
    """Return what ``flwr run`` sends; raises NotUnderstood."""
    message = _read(StartRunRequest, body)
    if message.app_spec:
        raise NotUnderstood("Apps are not downloaded by name: give flwr run the folder of the app")
    if message.federation not in ("", NOOP_FEDERATION_ID):
        raise NotUnderstood("Meadow has one federation: leave --federation out")
    if message.HasField("override_federation_config"):
        raise NotUnderstood("Apps run on SuperNodes, not in a simulation: leave --federation-config out")
    settings = {}
    for name, value in message.override_config.items():
        kind = value.WhichOneof("scalar")
        settings[name] = getattr(value, kind) if kind else None
    return AppToRun(message.fab.content, settings)


def read_wanted_runs(body: bytes) -> WantedRuns:
    """Return which runs ``flwr ls`` asks for; raises NotUnderstood."""
    message = _read(ListRunsRequest, body)
    limit = message.limit if message.HasField("limit") else DEFAULT_RUNS
    return WantedRuns(message.run_id if message.HasField("run_id") else None, limit, message.skip)


def read_run_to_stop(body: bytes) -> int:
    """Return the id of the run; raises NotUnderstood."""
    return int(_read(StopRunRequest, body).run_id)


def read_run_to_log(body: bytes) -> int:
    """Return the id of the run; raises NotUnderstood."""
    return int(_read(StreamLogsRequest, body).run_id)


def read_device_code(body: bytes) -> str:
    """Return the secret of a login under way; raises NotUnderstood."""
    return str(_read(GetAuthTokensRequest, body).device_code)


def login_to_approve(device_code: str, address: str, seconds: int, interval: int) -> bytes:
    """Return what has ``flwr login`` open an address, and ask for its token every ``interval`` seconds."""
    return _written(GetLoginDetailsResponse(
        authn_type=AuthnType.OIDC, device_code=device_code, verification_uri_complete=address, expires_in=seconds,
        interval=interval,
    ))  # fmt: skip


def token_of_login(token: str | None) -> bytes:
    """Return the answer to ``flwr login``, with a token once there is one.

    The command takes no token without one to renew it by. That word is none: a token ends, and is not renewed.
    """
    return _written(GetAuthTokensResponse(access_token=token or "", refresh_token="none" if token else ""))


def started(run_id: int | None, note: str) -> bytes:
    """Return the answer to ``flwr run``, which shows the note; it fails where there is no run."""
    return _written(StartRunResponse(run_id=run_id, note=note, federation=NOOP_FEDERATION_ID))


def stopped() -> bytes:
    """Return the answer to ``flwr stop``."""
    return _written(StopRunResponse(success=True))


def listed(runs: Iterable[ListedRun]) -> bytes:
    """Return the answer to ``flwr ls``."""
    answer = ListRunsResponse(now=_iso(datetime.now(UTC)))
    for run in runs:
        row = answer.run_dict[run.id]
        row.run_id, row.fab_id, row.fab_version, row.fab_hash = run.id, run.app, run.version, run.hash
        row.pending_at, row.federation = _iso(run.queued_at), NOOP_FEDERATION_ID
        row.starting_at, row.finished_at = _iso(run.started_at), _iso(run.finished_at)
        row.running_at = "" if run.state == RunState.WAITING else row.starting_at
        row.status.status, row.status.sub_status = STATUS[run.state]
        row.status.details = run.details
    return _written(answer)


def log_piece(text: str, at: float) -> bytes:
    """Return a piece of a log in a stream of them."""
    return bytes(frame_message(StreamLogsResponse(log_output=text, latest_timestamp=at)))


def _written(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at is not None else ""
