"""Made-up sequences of calls on a dashboard that has runs, clients and a queue: each is answered as it is described."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import Case, Response
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.support.dashboard import SYNTHETIC, Dashboard
from tests.support.lived_in import lived_in
from tests.support.odd_values import FUZZ_SECONDS
from tests.support.unharmed import check_log, check_pages

SMALL: dict[str, Any] = {**SYNTHETIC, "synthetic_parameters": 100, "synthetic_seconds": 0.0}
"""What each made-up run has, so that none builds a network."""

LEFT_ALONE = "/events$|^/api/users"
"""Event streams do not end. The first account would end the local mode, in which no credentials are needed."""


@pytest.fixture
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with lived_in(tmp_path_factory.mktemp("used")) as made:
        yield made


def linked(description: dict[str, Any]) -> dict[str, Any]:
    """Return the description with a link from each new run to every call that is about a run."""
    about_runs = [operations for path, operations in description["paths"].items() if "{run_id}" in path]
    ids = [operation["operationId"] for operations in about_runs for operation in operations.values()]
    links = {one: {"operationId": one, "parameters": {"run_id": "$response.body#/id"}} for one in ids}
    description["paths"]["/api/runs"]["post"]["responses"]["201"]["links"] = links
    return description


@pytest.mark.slow
def test_sequences_of_calls_are_answered_as_described(used: Dashboard, caplog: pytest.LogCaptureFixture) -> None:
    schema = from_dict(linked(used.http.get("/openapi.json").json())).exclude(path_regex=LEFT_ALONE)
    schema.config.update(base_url=str(used.http.base_url))
    calls: list[str] = []

    class Workflow(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Case[Any]) -> None:
            if case.operation.label == "POST /api/runs" and isinstance(case.body, dict):
                case.body |= SMALL
            calls.append(case.operation.label)

        def validate_response(self, response: Response, case: Case[Any], *_: Any, **__: Any) -> None:
            case.validate_response(response, excluded_checks=[positive_data_acceptance, ignored_auth])

    until, rounds = time.monotonic() + (FUZZ_SECONDS or 8.0), 0
    while time.monotonic() < until:
        rounds += 1
        run_state_machine_as_test(
            seed(rounds)(Workflow),
            settings=settings(
                max_examples=3, stateful_step_count=15, deadline=None, database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
        check_pages(used)
    check_log(caplog)
    print(f"\n{len(calls)} calls of {len(set(calls))} kinds")
    from collections import Counter

    print(Counter(calls))
