"""Made-up sequences of calls by people of all roles on a dashboard that has runs, clients and a queue: each is answered
as it is described, and none does what the role of its caller does not allow."""

import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import Case, Response
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.support.actors import ACTORS, ADMIN, Actor, Actors, check_policy, path_of, put_credentials
from tests.support.dashboard import SYNTHETIC, Dashboard
from tests.support.lived_in import lived_in
from tests.support.odd_values import FUZZ_SECONDS
from tests.support.unharmed import check_log, check_pages

SMALL: dict[str, Any] = {**SYNTHETIC, "synthetic_parameters": 100, "synthetic_seconds": 0.0}
"""What each made-up run has, so that none builds a network."""
SOUND: dict[str, dict[str, Any]] = {
    "POST /api/runs": SMALL,
    "POST /api/notifications/channels": {"kind": "webhook", "address": "https://example.org/", "secret": ""},
}
"""What made-up bodies get, without which there would be few runs and channels to call something about."""
ENDLESS = "/events$"
"""Event streams do not end."""
WEIGHTS = [1, 1, 1, 3, 3, 3, 3]
"""How often each of the actors calls: most of what those with less rights ask for is refused."""


@pytest.fixture
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with lived_in(tmp_path_factory.mktemp("used"), admission="open") as made:
        yield made


def linked(description: dict[str, Any]) -> dict[str, Any]:
    """Return the description with a link from each new run, account, code, … to every call that is about one."""
    for path, operations in description["paths"].items():
        collection, _, rest = path.partition("/{")
        created = description["paths"].get(collection, {}).get("post", {}).get("responses", {}).get("201")
        if not rest or created is None:
            continue
        for one in (operation["operationId"] for operation in operations.values()):
            parameters = {rest.partition("}")[0]: "$response.body#/id"}
            created.setdefault("links", {})[one] = {"operationId": one, "parameters": parameters}
    return description


@pytest.mark.slow
@pytest.mark.timeout(120 + FUZZ_SECONDS)
def test_sequences_of_calls_are_answered_as_described_and_no_role_does_more_than_it_may(
    used: Dashboard, caplog: pytest.LogCaptureFixture
) -> None:
    actors, order = Actors(used), Random(0)
    used.http.headers.update(actors.headers(ADMIN))
    schema = from_dict(linked(used.http.get("/openapi.json").json())).exclude(path_regex=ENDLESS)
    schema.config.update(base_url=str(used.http.base_url))
    calls, failures = list[tuple[str, Actor]](), list[Exception]()

    class Workflow(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Case[Any]) -> None:
            if isinstance(case.body, dict):
                case.body |= SOUND.get(case.operation.label, {})
            actor = order.choices(ACTORS, WEIGHTS)[0]
            calls.append((case.operation.label, actor))
            put_credentials(case, actors.headers(actor))

        def validate_response(self, response: Response, case: Case[Any], *_: Any, **__: Any) -> None:
            try:
                check_policy(calls[-1][1], case.method, path_of(response), response.status_code)
                case.validate_response(response, excluded_checks=[positive_data_acceptance, ignored_auth])
            except Exception as error:  # raised here, it would have Hypothesis ask anew, with other answers
                failures.append(error)

    until, rounds = time.monotonic() + (FUZZ_SECONDS or 8.0), 0
    while time.monotonic() < until:
        rounds += 1
        run_state_machine_as_test(
            seed(rounds)(Workflow),
            settings=settings(
                max_examples=1, stateful_step_count=40, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
        for failure in failures:
            raise failure
        used.http.headers.update(actors.headers(ADMIN))
        check_pages(used, "/people", "/account", "/audit")
    check_log(caplog)
    actors.check_audit_log()
    print(f"\n{len(calls)} calls of {len({label for label, _ in calls})} kinds by {len(ACTORS)} actors")
