"""Roles, each of which may do what those before it may."""

from enum import StrEnum


class Role(StrEnum):
    """A viewer sees; an operator also starts, steers, approves clients and downloads models; an admin does the rest."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return whether this role may do all that another may."""
        return _ORDER.index(self) >= _ORDER.index(other)


_ORDER = tuple(Role)


def lower_of(one: Role, other: Role) -> Role:
    """Return the role that may do less."""
    return other if one.includes(other) else one
