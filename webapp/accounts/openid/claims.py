"""What an id token proves: its check, the person whom it names, and the role that its claims give."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError

from webapp.accounts.openid.provider import Provider
from webapp.accounts.people import RESERVED
from webapp.accounts.roles import Role
from webapp.problems import Problem

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
LEEWAY_SECONDS, MAX_SUBJECT, MAX_NAME = 60, 255, 64


class TokenRefused(Problem):
    """The id token proves nothing."""

    status = 403


class NoRole(Problem):
    """The provider knows the person, and no claim gives a role. ``identity`` is who it is."""

    status = 403

    def __init__(self, identity: "Identity") -> None:
        super().__init__(
            f"You are signed in at the provider as {identity.name}, but no role here belongs to your account there. "
            "Ask an admin of the provider for one."
        )
        self.identity = identity


@dataclass(frozen=True, slots=True)
class Identity:
    """A person at a provider, and the name for the account here."""

    issuer: str
    subject: str
    name: str


def check_token(provider: Provider, token: str, nonce: str) -> dict[str, Any]:
    """Return the claims of an id token that the provider made for this dashboard and this sign-in."""
    try:
        try:
            decoded = jwt.decode(token, provider.keys(), algorithms=ALGORITHMS)
        except InvalidKeyIdError:  # the provider has new keys
            decoded = jwt.decode(token, provider.keys(refresh=True), algorithms=ALGORITHMS)
        claims = decoded.claims
        needed = {"iss": provider.issuer, "aud": provider.client_id, "nonce": nonce}
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS, exp={"essential": True}, iat={"essential": True}, sub={"essential": True},
            **{name: {"essential": True, "value": value} for name, value in needed.items()},  # type: ignore[arg-type]
        )  # fmt: skip
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefused(f"The sign-in provider's answer is not valid: {_reason(error)}. Sign in again.") from error
    audience = claims["aud"]
    party = claims.get("azp", provider.client_id)
    if party != provider.client_id or (isinstance(audience, list) and len(audience) > 1 and "azp" not in claims):
        raise TokenRefused("The sign-in provider's answer is for another application.")
    return claims


def _reason(error: Exception) -> str:
    return str(getattr(error, "error", "") or "it cannot be read").replace("_", " ")


def identity_of(claims: Mapping[str, Any], issuer: str, name_claim: str) -> Identity:
    """Return the person; the name has only characters that names of accounts may have."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise TokenRefused("The sign-in provider's answer has no subject.")
    said = claims.get(name_claim)
    text = said if isinstance(said, str) else subject
    name = re.sub(r"[^a-z0-9._@+-]+", "-", text.lower()[: 4 * MAX_NAME]).lstrip("._@+-")[:MAX_NAME].rstrip("-")
    return Identity(issuer, subject, f"{name}-openid" if name in RESERVED else name or "person")


def role_of(claims: Mapping[str, Any], claim: str, roles: Mapping[str, Role]) -> Role | None:
    """Return the highest role that a claim gives; dots in its name lead into objects, as in ``realm_access.roles``."""
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    given = [roles[one] for one in values if isinstance(one, str) and one in roles]
    return max(given, key=list(Role).index, default=None)
