"""The known clients that could fill the places of a run that waits for clients, and the action that each needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from federation.server.flower_server import LiveClient
from webapp.db.tables import Client, Run
from webapp.pages.clients.rows import Split, unmet_by


class Needs(StrEnum):
    """What makes a client take part; the order is that of the page."""

    INCLUDE = "include"
    """The client is online, and the run excludes it or it could not prepare."""
    ADMIT = "admit"
    """The client is online, and pending approval or excluded from all runs: its own page has the button."""
    START = "start"
    """The client is offline: its process has to be started on its machine."""
    INCLUDE_AND_START = "include_and_start"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that could take part, with what it needs and the reason why it does not; that follows its name."""

    client: Client
    needs: Needs
    why: str


def candidates_of(run: Run, parted: Split, known: Sequence[Client], live: Mapping[int, LiveClient]) -> list[Candidate]:
    """Return the clients that a run waiting for clients lacks, those first whose action ends the wait at once.

    A simulated client that is offline is not waited for: another one takes its place.
    """
    if (run.blocked_on or {}).get("kind") != "quorum":
        return []
    excluded = {one.id: one.why for one in parted.excluded}
    found = []
    for client in known:
        if (
            unmet_by(client, run) is not None
            or client.state == "revoked"
            or (run.network == "app" and client.lane != "fleet")
        ):
            continue
        online = client.id in live
        one = _candidate(client, excluded.get(client.id), parted.unfit.get(client.id), online)
        if one is not None and (online or client.kind != "simulated"):
            found.append(one)
    return sorted(found, key=lambda one: list(Needs).index(one.needs))


def _candidate(client: Client, excluded: str | None, unfit: str | None, online: bool) -> Candidate | None:
    """Return what a client needs; None for one that takes part, or about which nothing is known but its key."""
    if client.state == "pending" or client.left_out:
        why = "pending approval" if client.state == "pending" else "excluded from all runs by a user"
        return Candidate(client, Needs.ADMIT, why) if online else None
    if excluded is not None:
        return Candidate(client, Needs.INCLUDE, excluded) if online else Candidate(
            client, Needs.INCLUDE_AND_START, f"{excluded}; offline"
        )  # fmt: skip
    if not online:
        return Candidate(client, Needs.START, "offline; rejoins when its process runs")
    return Candidate(client, Needs.INCLUDE, f"could not prepare: {unfit}") if unfit is not None else None
