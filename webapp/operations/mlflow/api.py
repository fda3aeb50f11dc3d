"""MLflow's REST API, as far as it is needed. Answers are bounded, redirects are not followed."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from federation.protocol.addresses import is_loopback
from webapp.operations.mlflow.records import KEY_TAG, Metric, Pairs
from webapp.sanitizing import clean_text

SECONDS, DEADLINE_SECONDS = 10.0, 30.0
MAX_BYTES = 8_000_000
METRICS_PER_CALL, PAIRS_PER_CALL, BYTES_PER_CALL = 1000, 100, 500_000
"""MLflow's limits of one ``log-batch``, whose body may have 1 MB."""
BUSY = frozenset({401, 403, 407, 429})
"""Refusals of the server as a whole: no run can be sent."""


_Answer = TypeVar("_Answer", bound=BaseModel)


class MlflowUnavailable(Exception):
    """The server takes nothing now; ``after_seconds`` is when it wants to be asked again, if it says so."""

    def __init__(self, sentence: str, after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.after_seconds = after_seconds


class MlflowRefused(Exception):
    """The server does not take this request."""


class MlflowMissing(MlflowRefused):
    """What the request is about does not exist, or was deleted."""


class _Entry(BaseModel):
    """A metric or a parameter; only a metric has a step."""

    key: str = Field(max_length=1000)
    step: int = 0


class _Info(BaseModel):
    run_id: str = Field(max_length=256, pattern=r"^[a-zA-Z0-9_-]+$")
    lifecycle_stage: str = "active"


class _Data(BaseModel):
    metrics: list[_Entry] = []
    params: list[_Entry] = []


class _Run(BaseModel):
    info: _Info
    data: _Data = _Data()


class _RunAnswer(BaseModel):
    run: _Run


class _RunsAnswer(BaseModel):
    runs: list[_Run] = []


class _Experiment(BaseModel):
    experiment_id: str = Field(max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")
    lifecycle_stage: str = "active"


class _ExperimentAnswer(BaseModel):
    experiment: _Experiment


class _Done(BaseModel):
    """An answer of which nothing is read."""


class _Error(BaseModel):
    error_code: str = ""
    message: str = ""


class MlflowApi:
    """One tracking server. ``authorization`` returns the header for each request, empty for none."""

    def __init__(self, url: str, authorization: Callable[[], str]) -> None:
        self._url, self._authorization = url, authorization

    @cached_property
    def _http(self) -> httpx.Client:
        is_local = is_loopback(urlsplit(self._url).hostname or "")
        return httpx.Client(timeout=SECONDS, trust_env=not is_local)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, which is made where there is none."""
        try:
            found = self._ask(_ExperimentAnswer, "GET", "experiments/get-by-name", {"experiment_name": name}).experiment
        except MlflowMissing:
            return self._ask(_Experiment, "POST", "experiments/create", {"name": name}).experiment_id
        if found.lifecycle_stage != "active":
            raise MlflowUnavailable(f"the experiment {name} is deleted there: restore it or choose another one")
        return found.experiment_id

    def find_run(self, experiment_id: str, key: str) -> str | None:
        """Return the id of the run with a key; None where there is none."""
        body = {"experiment_ids": [experiment_id], "filter": f"tags.`{KEY_TAG}` = '{key}'", "max_results": 1}
        runs = self._ask(_RunsAnswer, "POST", "runs/search", body).runs
        return runs[0].info.run_id if runs else None

    def create_run(self, experiment_id: str, name: str, start: int, tags: Pairs) -> str:
        """Create a run and return its id; ``start`` is in milliseconds."""
        body = {"experiment_id": experiment_id, "run_name": name, "start_time": start, "tags": _listed(tags)}
        return self._ask(_RunAnswer, "POST", "runs/create", body).run.info.run_id

    def read_run(self, run_id: str) -> tuple[dict[str, int], set[str]]:
        """Return the last step of each metric of a run, and the keys of its parameters; raises MlflowMissing."""
        run = self._ask(_RunAnswer, "GET", "runs/get", {"run_id": run_id}).run
        if run.info.lifecycle_stage != "active":
            raise MlflowMissing("the run was deleted in MLflow")
        return {one.key: one.step for one in run.data.metrics}, {one.key for one in run.data.params}

    def log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Add metrics to a run, in their order."""
        for some in _calls(metrics, METRICS_PER_CALL):
            self._ask(_Done, "POST", "runs/log-batch", {"run_id": run_id, "metrics": some})

    def log_params(self, run_id: str, params: Pairs) -> None:
        """Add parameters to a run; MLflow refuses to change one."""
        for some in _calls(_listed(params), PAIRS_PER_CALL):
            self._ask(_Done, "POST", "runs/log-batch", {"run_id": run_id, "params": some})

    def set_tags(self, run_id: str, tags: Pairs) -> None:
        """Set tags of a run."""
        self._ask(_Done, "POST", "runs/log-batch", {"run_id": run_id, "tags": _listed(tags)})

    def update_run(self, run_id: str, status: str, end: int | None, name: str | None = None) -> None:
        """Set status and name of a run, and in milliseconds when it ended."""
        given: dict[str, Any] = {"end_time": end, "run_name": name}
        body = {"run_id": run_id, "status": status} | {key: one for key, one in given.items() if one is not None}
        self._ask(_Done, "POST", "runs/update", body)

    def _ask(self, kind: type[_Answer], method: Literal["GET", "POST"], path: str, given: dict[str, Any]) -> _Answer:
        status, content, after = self._request(method, path, given)
        if status == 200:
            try:
                return kind.model_validate_json(content or b"{}")
            except ValidationError as error:
                raise MlflowUnavailable("its answer is not that of an MLflow server") from error
        code, message = _error_in(content)
        said = f"it answered {status}" + (f": {clean_text(message, 200)}" if message else "")
        if status in BUSY or status >= 500 or status < 400 or not code:
            raise MlflowUnavailable(said, after)
        raise (MlflowMissing if code == "RESOURCE_DOES_NOT_EXIST" else MlflowRefused)(said)

    def _request(self, method: str, path: str, given: dict[str, Any]) -> tuple[int, bytes, float | None]:
        """Return status, body and the seconds of Retry-After; raises MlflowUnavailable."""
        url, content, ends = f"{self._url}/api/2.0/mlflow/{path}", bytearray(), time.monotonic() + DEADLINE_SECONDS
        sent: dict[str, Any] = {"params": given} if method == "GET" else {"json": given}
        header = self._authorization()
        headers = {"Accept": "application/json", "User-Agent": "Meadow"}
        headers |= {"Authorization": header} if header else {}
        try:
            with self._http.stream(method, url, headers=headers, **sent) as answer:
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > MAX_BYTES or time.monotonic() > ends:
                        raise MlflowUnavailable("its answer is too long or too slow")
                after = answer.headers.get("Retry-After", "")
                return answer.status_code, bytes(content), _seconds(after)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MlflowUnavailable(f"it does not answer ({type(error).__name__})") from error


def error_of(error: Exception) -> str:
    """Return what to show of an error."""
    return clean_text(str(error), 300)


def _error_in(content: bytes) -> tuple[str, str]:
    """Return code and message of an answer; both are empty where it is not one of MLflow."""
    try:
        found = _Error.model_validate_json(content)
    except ValidationError:
        return "", ""
    return found.error_code, found.message


def _seconds(after: str) -> float | None:
    return float(after) if after.isascii() and after.isdigit() and len(after) < 6 else None


def _calls(items: Sequence[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    """Give the items in pieces that fit into one request."""
    piece: list[dict[str, Any]] = []
    size = 0
    for item in items:
        size += len(json.dumps(item, ensure_ascii=False).encode())
        if piece and (len(piece) == most or size > BYTES_PER_CALL):
            yield piece
            piece, size = [], 0
        piece.append(item)
    if piece:
        yield piece


def _listed(pairs: Pairs) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]
