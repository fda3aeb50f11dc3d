"""The chain of the audit log: the hash of an entry, and what is wrong with a sequence of entries. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

CONTENT = (
    "id", "at", "actor_kind", "actor_id", "actor", "action", "target", "address", "outcome", "status", "detail",
    "previous",
)  # fmt: skip
"""The columns that the hash covers."""
START = "0" * 64
"""What the first entry has as the hash of the entry before."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The number of entries, the head of the chain, and the first fault; ``fault`` is empty where there is none."""

    entries: int
    head: str
    fault: str = ""


def plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry as JSON has it, hash included."""
    at: datetime = entry["at"]
    return {**entry, "at": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")}


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an entry's content: JSON in ASCII with sorted keys and without blanks."""
    content = plain({name: entry[name] for name in CONTENT})
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def verify(entries: Iterable[Mapping[str, Any]], head: str = "") -> Verification:
    """Look for the first fault in the entries, which are in the order of their ids.

    ``head`` is the hash of an entry that was the newest at some time: it must still be among them. Entries that were
    cut off at the end leave no other trace.
    """
    count, last, seen = 0, START, head in ("", START)
    for entry in entries:
        if entry["id"] != count + 1:
            return Verification(count, last, f"entry {count + 1} is missing: entry {entry['id']} comes after {count}")
        if entry_hash(entry) != entry["hash"]:
            return Verification(count, last, f"entry {entry['id']} was changed: its content does not match its hash")
        if entry["previous"] != last:
            return Verification(
                count, last, f"entry {entry['id']} does not continue entry {count}: one of the two was inserted or "
                "replaced",
            )  # fmt: skip
        count, last = count + 1, str(entry["hash"])
        seen = seen or last == head
    return Verification(count, last, "" if seen else "no entry has the given hash: entries at the end are missing")
