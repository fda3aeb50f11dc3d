"""All who may call a dashboard that has accounts: nobody, and each role by a session and by a token."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from schemathesis import Case, Response

from tests.support.dashboard import Dashboard
from tests.support.people import cookie_of, token_of
from webapp.accounts.accounts import Credentials
from webapp.accounts.principal import Kind
from webapp.accounts.roles import Role
from webapp.db.repository.audit.entries import all_entries
from webapp.routes.policy import POLICY, Need, need_of

ORDER = list(Need)

BEFORE_ACCESS = {413, 415}
"""A body that is too large or encoded is refused by its headers, whoever sends it."""
NOWHERE = {404, 405, 403, 307}


@dataclass(frozen=True)
class Actor:
    """Who calls; without a role it is nobody."""

    role: Role | None = None
    kind: Kind = Kind.USER

    @property
    def reaches(self) -> Need:
        """The highest need that the actor meets."""
        return Need(self.role) if self.role is not None else Need.OPEN


NOBODY = Actor()
ADMIN = Actor(Role.ADMIN)
ACTORS = (NOBODY, *(Actor(role, kind) for role in Role for kind in (Kind.USER, Kind.TOKEN)))


class Actors:
    """The accounts behind the actors of one dashboard, each named as its role."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard, self._credentials = dashboard, dict[Actor, str]()
        self.headers(ADMIN)

    def headers(self, actor: Actor) -> dict[str, str]:
        """Return the credentials of an actor, good with its role whatever the calls before did to the account."""
        if actor.role is None:
            return {}
        accounts, given = self.dashboard.parts.accounts, self._credentials.get(actor, "")
        session = actor.kind is Kind.USER
        credentials = Credentials(session_id=given) if session else Credentials(token=given)
        principal = accounts.identify(credentials) if given else None
        if principal is None or principal.role is not actor.role:
            self._heal(actor.role)
            make = cookie_of(self.dashboard, actor.role) if session else token_of(
                self.dashboard, actor.role, actor.role)  # fmt: skip
            given = self._credentials[actor] = make.partition("=")[2] if session else make
        return {"Cookie": f"__Host-meadow={given}"} if session else {"Authorization": f"Bearer {given}"}

    def _heal(self, role: Role) -> None:
        people = self.dashboard.parts.accounts.people
        known = {person.name: person for person in people.list()}
        person = known.get(role) or people.add(role, None, role)
        if role is not Role.ADMIN:  # another person that was made an admin may be the last one
            self._heal(Role.ADMIN)
        people.enable(people.set_role(person.id, role).id)

    def check_audit_log(self) -> None:
        """Assert that nothing is on record as done by an account whose role the policy does not allow it."""
        with self.dashboard.parts.database.read() as session:
            done = [one for one in all_entries(session) if one["outcome"] == "done" and one["actor_kind"] != "client"]
        assert done
        for one in done:
            need = POLICY[tuple(one["action"].split(" ", 1))]
            reached = Need(one["actor"]) if one["actor"] in list(Role) else Need.OPEN
            assert one["actor_kind"] == "local" or ORDER.index(need) <= ORDER.index(reached), one


def check_policy(actor: Actor, method: str, path: str, status: int) -> None:
    """Assert that an answer with a status is one that the policy has for an actor; ``path`` is what was asked for."""
    need, said = need_of(method, path), f"{method} {path} as {actor}: {status}"
    if actor is NOBODY and need is not Need.OPEN:
        assert status in {401} | BEFORE_ACCESS, said
    elif need is None:
        assert status in NOWHERE | BEFORE_ACCESS, said
    elif ORDER.index(need) > ORDER.index(actor.reaches):
        assert status in {403} | BEFORE_ACCESS, said
    else:
        assert status not in (401, 403), said


def is_no_http(answer: Response) -> bool:
    """Return whether a request was refused before anybody read it: a header that was made up may be none of HTTP."""
    return answer.status_code == 400 and answer.headers.get("content-type", [""])[0].startswith("text/plain")


def path_of(answer: Response) -> str:
    """Return the path that an answer is about, as the dashboard read it."""
    return unquote(urlsplit(str(answer.request.url)).path)


def put_credentials(case: Case[Any], headers: dict[str, str]) -> None:
    """Have a case sent with these credentials; without any it keeps those that are made up."""
    if headers:
        case.cookies.clear()
        case.headers.pop("Authorization", None)
        case.headers.update(headers)
