"""What the run of an app needs of others: the Flower server, and the store of approved apps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from federation.apps.archive import ApprovedApp
from federation.apps.process import AppLimits
from federation.apps.traffic import AppTraffic


class AppNotApproved(Exception):
    """The app may not run, or is not there; the sentence says why."""


class HostedRun(Protocol):
    """A run of an app in Flower's database, with a port for its process."""

    @property
    def traffic(self) -> AppTraffic:
        """The messages of the run."""

    @property
    def token(self) -> str:
        """Opens this run alone, as long as it is under way."""

    @property
    def address(self) -> str:
        """Where the app's process reaches the server."""

    def result(self) -> tuple[str, str]:
        """Return how Flower says that the run ended (completed, failed, stopped), and why; empty before."""

    def finish(self, reason: str) -> None:
        """End the run: no call of the app is answered any more."""

    def close(self) -> None:
        """Close the port."""


class AppHost(Protocol):
    """The Flower server, as the run of an app sees it."""

    def supernodes(self) -> dict[int, int]:
        """Return node id -> client id of the SuperNodes that are admitted and online."""

    def begin(self, app: ApprovedApp, settings: Mapping[str, Any], visible: Callable[[], set[int]]) -> HostedRun:
        """Begin a run whose app sees the nodes that ``visible`` returns."""


@dataclass(frozen=True, slots=True)
class AppParts:
    """How a supervisor runs apps. ``approved`` returns the app with a hash, or raises AppNotApproved."""

    host: AppHost
    approved: Callable[[str], ApprovedApp]
    limits: AppLimits = field(default_factory=AppLimits)
