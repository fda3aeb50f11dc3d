"""The settings of sign-in with an OpenID provider."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from federation.protocol.addresses import is_loopback

ROLES = ("viewer", "operator", "admin")


class OpenIdSettings(BaseSettings):
    """Which provider signs people in, and which role its claims give. Without an issuer nobody signs in that way."""

    openid_issuer: str = Field(
        "", description="Issuer of an OpenID provider that signs people in, such as https://id.example/realms/lab."
    )
    openid_client_id: str = Field("", description="Id of the dashboard at the OpenID provider.")
    openid_client_secret_file: Path | None = Field(None, description="File with the secret for that id.")
    openid_roles: str = Field(
        "", description="Values of the roles claim and their roles, such as lab-admins=admin,lab=viewer."
    )
    openid_roles_claim: str = Field("roles", description="Claim with the roles, such as groups or realm_access.roles.")
    openid_name_claim: str = Field("preferred_username", description="Claim with the name of a new account.")
    openid_scopes: str = Field("openid profile", description="Scopes that the dashboard asks the provider for.")
    openid_name: str = Field("OpenID", max_length=40, description="Name of the provider on the sign-in page.")

    @field_validator("openid_issuer")
    @classmethod
    def _check_issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
        is_valid = (parts.scheme == "https" or is_local) and parts.hostname and not (parts.query or parts.fragment)
        if value and not is_valid:
            raise ValueError("must be an address that begins with https://, without a query")
        return value

    @field_validator("openid_roles")
    @classmethod
    def _check_roles(cls, value: str) -> str:
        for pair in filter(None, (part.strip() for part in value.split(","))):
            claimed, equals, role = pair.rpartition("=")
            if not equals or not claimed.strip() or role.strip() not in ROLES:
                raise ValueError(f"{pair}: write VALUE=ROLE with one of the roles {', '.join(ROLES)}")
        return value

    @model_validator(mode="after")
    def _check_provider(self) -> "OpenIdSettings":
        if not self.openid_issuer:
            return self
        for name in ("openid_client_id", "openid_roles", "openid_client_secret_file"):
            if not getattr(self, name):
                raise ValueError(f"--openid-issuer needs --{name.replace('_', '-')}")
        if not os.access(self.openid_client_secret_file or "", os.R_OK):
            raise ValueError(f"--openid-client-secret-file {self.openid_client_secret_file} cannot be read")
        if "openid" not in self.openid_scopes.split():
            raise ValueError("--openid-scopes must have openid among them")
        return self

    @property
    def openid_role_map(self) -> dict[str, str]:
        """Value of the roles claim -> role."""
        pairs = (part.rpartition("=") for part in self.openid_roles.split(",") if part.strip())
        return {claimed.strip(): role.strip() for claimed, _, role in pairs}
