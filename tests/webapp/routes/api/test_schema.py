"""The description of the API against the API: made-up calls of every kind, and none ends in an error of ours."""

from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import sampled_from
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from tests.support.actors import ACTORS, ADMIN, Actor, Actors, check_policy, is_no_http, path_of, put_credentials
from tests.support.dashboard import running
from tests.support.odd_values import FUZZ_SECONDS
from webapp.app import create_app
from webapp.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actors]:
    # made-up calls must not start real processes; tests/webapp/operations/test_simulated_clients.py does
    with running(tmp_path_factory.mktemp("shared"), demo_clients=0) as made:
        yield Actors(made)


@pytest.fixture(scope="module")
def line() -> Iterator[requests.Session]:
    """A connection for all calls, which keeps no cookie."""
    with requests.Session() as session:
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield session


@pytest.fixture
def admin(actors: Actors) -> httpx.Client:
    http = actors.dashboard.http
    http.headers.update(actors.headers(ADMIN))
    return http


HASHES = ("POST /api/users asked rightly",)
"""Calls that hash a password, which takes its time."""
TRIMMED = ("POST /api/users asked wrongly",)
"""Calls with a name that is accepted with blanks around it and in capitals, which the schema does not say."""
CALLERS = [actor for actor in ACTORS for _ in range(8 if actor.role is ADMIN.role else 1)]
"""Most calls are those of an admin: of the others many are refused, whatever they hold."""
NOT_CHECKED = [positive_data_acceptance, ignored_auth]
"""Some fields of a run go together (synthetic with synthetic), which no schema says. Nobody is one of the callers."""


def calls() -> dict[str, tuple[Any, GenerationMode]]:
    """Return what the API can do, asked rightly and wrongly, without the event streams, which do not end."""
    schema = from_dict(create_app(Settings()).openapi()).exclude(path_regex="/events$")
    found: dict[str, tuple[Any, GenerationMode]] = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        found[f"{operation.label} asked rightly"] = (operation, GenerationMode.POSITIVE)
        if operation.body or operation.path_parameters or operation.query:
            found[f"{operation.label} asked wrongly"] = (operation, GenerationMode.NEGATIVE)
    return found


CALLS = calls()


# Schemathesis' own way into pytest relies on what pytest 9 no longer has.
@pytest.mark.parametrize("label", CALLS)
def test_every_call_is_answered_as_described_and_as_the_role_allows(
    actors: Actors, line: requests.Session, label: str
) -> None:
    operation, mode = CALLS[label]
    examples = int(FUZZ_SECONDS * 5) or (5 if label.startswith(HASHES) else 25)
    url = str(actors.dashboard.http.base_url)
    excluded = [*NOT_CHECKED, *([negative_data_rejection] if label.startswith(TRIMMED) else [])]

    @given(operation.as_strategy(generation_mode=mode), sampled_from(CALLERS))
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def call(case: Case[Any], caller: Actor) -> None:
        put_credentials(case, actors.headers(caller))
        answer = case.call(base_url=url, session=line)
        if is_no_http(answer):
            return
        check_policy(caller, case.method, path_of(answer), answer.status_code)
        if answer.status_code != 413:  # a body that is made up wrongly may be over the limit
            case.validate_response(answer, excluded_checks=excluded)

    call()


def test_every_call_says_what_it_does_and_names_its_refusals(admin: httpx.Client) -> None:
    description = admin.get("/openapi.json").json()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], f"{method} {path}"
            assert "400" in operation["responses"], f"{method} {path}"
            needs_credentials = path not in ("/healthz", "/readyz")
            assert bool(operation["security"]) == needs_credentials, f"{method} {path}"
            assert {"401", "403"} <= set(operation["responses"]) or not needs_credentials, f"{method} {path}"
            for status, response in operation["responses"].items():
                if status.startswith(("4", "5")):
                    assert set(response["content"]) == {"application/problem+json"}, f"{method} {path} {status}"


def test_the_description_page_needs_nothing_from_elsewhere(admin: httpx.Client) -> None:
    page = admin.get("/docs").text
    assert "http" not in page.replace("http-equiv", "")
    assert "<script>" not in page
    for part in page.split('"'):
        if part.startswith("/"):
            assert admin.get(part).status_code == 200, part
