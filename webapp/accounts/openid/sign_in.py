"""Sign-in with the provider of the settings: to the provider and back, and the account of whoever returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from webapp.accounts.changes import AccountChanges
from webapp.accounts.openid.claims import Identity, NoRole, check_token, identity_of, role_of
from webapp.accounts.openid.pending import Pending, PendingSignIns
from webapp.accounts.openid.provider import CodeRefused, Provider
from webapp.accounts.people import end_codes
from webapp.accounts.roles import Role
from webapp.db.database import Database
from webapp.db.repository.accounts import sessions, users
from webapp.db.repository.clients import revoke_join_codes_of
from webapp.db.repository.rows import insert_row
from webapp.db.tables import OpenIdIdentity, User
from webapp.problems import Problem
from webapp.sanitizing import clean_text
from webapp.settings import Settings


class SignInLost(Problem):
    """The browser returns without a sign-in that it began."""

    status = 403

    def __init__(self) -> None:
        super().__init__("This sign-in is not known or took longer than ten minutes. Sign in again.")


class Disabled(Problem):
    """The account is disabled."""

    status = 403


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who returned, and the page to go to."""

    user_id: int
    name: str
    role: Role
    then: str


class OpenIdSignIn:
    """The provider of the settings. Any thread may use it; ``read_openid`` makes one."""

    def __init__(
        self, provider: Provider, database: Database, changes: AccountChanges, roles: Mapping[str, Role],
        settings: Settings,
    ) -> None:  # fmt: skip
        self._provider, self._database, self._changes, self._roles = provider, database, changes, roles
        self._settings, self._pending = settings, PendingSignIns()

    @property
    def label(self) -> str:
        """The provider's name on the button."""
        return self._settings.openid_name

    def begin(self, then: str, redirect_uri: str) -> tuple[str, Pending]:
        """Return the provider's address for a new sign-in, which leads to the page ``then`` in the end."""
        authorize = self._provider.endpoints().authorize
        begun = self._pending.begin(then, redirect_uri)
        address = prepare_grant_uri(
            authorize, self._provider.client_id, "code", redirect_uri=redirect_uri, scope=self._settings.openid_scopes,
            state=begun.state, nonce=begun.nonce, code_challenge=create_s256_code_challenge(begun.verifier),
            code_challenge_method="S256",
        )  # fmt: skip
        return str(address), begun

    def finish(self, query: Mapping[str, str], browser: str) -> SignedIn:
        """Return who comes back from the provider, with the role that its claims give now; raises Problem."""
        begun = self._pending.take(query.get("state", ""), browser)
        if begun is None:
            raise SignInLost
        if query.get("error") or not query.get("code"):
            raise CodeRefused(f"The sign-in provider refused: {clean_text(query.get('error', 'no code'), 100)}.")
        token = self._provider.id_token(query["code"], begun.verifier, begun.redirect_uri)
        claims = check_token(self._provider, token, begun.nonce)
        identity = identity_of(claims, self._provider.issuer, self._settings.openid_name_claim)
        role = role_of(claims, self._settings.openid_roles_claim, self._roles)
        if role is None:
            self._end_sessions(identity)
            raise NoRole(identity)
        user = self._account_of(identity, role)
        return SignedIn(user.id, user.name, role, begun.then)

    def _account_of(self, identity: Identity, role: Role) -> User:
        """Return the person's account, new or known, after it has the role."""
        with self._database.write() as session:
            user = users.find_user_of_provider(session, identity.issuer, identity.subject)
            if user is None:
                name = users.free_name(session, identity.name)
                user = insert_row(session, User(name=name, role=role, created_at=datetime.now(UTC)))
                insert_row(session, OpenIdIdentity(user_id=user.id, issuer=identity.issuer, subject=identity.subject))
            elif user.disabled_at is not None:
                raise Disabled(f"The account {user.name} is disabled. Ask an admin.")
            else:
                user.role = role
                end_codes(session, user)
        self._changes.note()
        return user

    def _end_sessions(self, identity: Identity) -> None:
        with self._database.write() as session:
            if (user := users.find_user_of_provider(session, identity.issuer, identity.subject)) is not None:
                sessions.delete_sessions_of(session, user.id)
                revoke_join_codes_of(session, user.name, datetime.now(UTC))
        self._changes.note()


def read_openid(settings: Settings, database: Database, changes: AccountChanges) -> OpenIdSignIn:
    """Return the sign-in with the provider that the settings name."""
    assert settings.openid_issuer and settings.openid_client_secret_file is not None
    secret = settings.openid_client_secret_file.read_text("utf-8").strip()
    provider = Provider(settings.openid_issuer, settings.openid_client_id, secret)
    roles = {value: Role(role) for value, role in settings.openid_role_map.items()}
    return OpenIdSignIn(provider, database, changes, roles, settings)
