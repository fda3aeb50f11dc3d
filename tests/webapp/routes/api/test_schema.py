"""The description of the API against the API: made-up calls of every kind, and none ends in an error of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.dashboard import Dashboard, running
from tests.support.people import token_of
from webapp.accounts.accounts import Credentials
from webapp.accounts.roles import Role
from webapp.app import create_app
from webapp.settings import Settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    # made-up calls must not start dozens of processes; tests/webapp/operations/test_demo_clients.py starts real ones
    with running(tmp_path_factory.mktemp("shared"), demo_clients=0) as made:
        yield made


HASHES = ("POST /api/users asked rightly",)
"""Calls that hash a password, which takes its time."""


def as_admin(dashboard: Dashboard) -> dict[str, str]:
    """Return the credentials of an admin, who is one again whatever the calls before did."""
    accounts, token = dashboard.parts.accounts, TOKENS.get(dashboard.flower_address, "")
    principal = accounts.identify(Credentials(token=token)) if token else None
    if principal is None or principal.role is not Role.ADMIN:
        known = {person.name: person for person in accounts.people.list()}
        person = known.get("fuzz") or accounts.people.add("fuzz", None, Role.ADMIN)
        accounts.people.enable(accounts.people.set_role(person.id, Role.ADMIN).id)
        token = TOKENS[dashboard.flower_address] = token_of(dashboard, "fuzz", "admin")
    return {"Authorization": f"Bearer {token}"}


TOKENS: dict[str, str] = {}


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
def test_every_call_is_answered_as_described(shared: Dashboard, label: str) -> None:
    operation, mode = CALLS[label]
    examples = 5 if label.startswith(HASHES) else 25

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def call(case: Case[Any]) -> None:
        answer = case.call(base_url=str(shared.http.base_url), headers=as_admin(shared))
        if answer.status_code != 413:  # a body that is made up wrongly may be over the limit
            # Some fields of a run go together (synthetic with synthetic), which no schema says.
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])

    call()


def test_every_call_says_what_it_does_and_names_its_refusals(shared: Dashboard) -> None:
    description = shared.http.get("/openapi.json", headers=as_admin(shared)).json()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], f"{method} {path}"
            assert "400" in operation["responses"], f"{method} {path}"
            needs_credentials = path not in ("/healthz", "/readyz")
            assert bool(operation["security"]) == needs_credentials, f"{method} {path}"
            assert {"401", "403"} <= set(operation["responses"]) or not needs_credentials, f"{method} {path}"
            for status, response in operation["responses"].items():
                if status.startswith("4"):
                    assert set(response["content"]) == {"application/problem+json"}, f"{method} {path} {status}"


def test_the_description_page_needs_nothing_from_elsewhere(shared: Dashboard) -> None:
    page = shared.http.get("/docs", headers=as_admin(shared)).text
    assert "http" not in page.replace("http-equiv", "")
    assert "<script>" not in page
    for part in page.split('"'):
        if part.startswith("/"):
            assert shared.http.get(part, headers=as_admin(shared)).status_code == 200, part
