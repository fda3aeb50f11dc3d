"""Rows of the tables as an archive has them, and back: numbers of clients in place of ids, times as text."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from federation.protocol.keys import fingerprint

IMPORTED = "imported"
Numbers = Mapping[int, int]
"""Ids of clients -> their numbers in an archive, or back."""

OWN = ("id", "run_id")
"""Columns that mean nothing elsewhere."""
WORST = 5
"""Where the fields of a spread name a client."""


def archived(table: str, row: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    """Return a row of ``rounds``, ``replies``, ``metrics`` or ``events`` as its archive has it."""
    values = {name: as_json(value) for name, value in row.items() if name not in OWN}
    if "client_id" in values:
        values["client"] = numbers.get(values.pop("client_id"))
    if table == "rounds":
        weights = values["checkpoint"]
        values["checkpoint"] = {
            "round": values["round"], "sha256": weights["sha256"], "size_bytes": weights["size_bytes"]
        }  # fmt: skip
        values["spread"] = _spreads(values["spread"], numbers)
    if table == "events":
        values["data"] = _event_data(values["data"], numbers)
    return values


def restored(table: str, values: Mapping[str, Any], run_id: int, ids: Numbers) -> dict[str, Any]:
    """Return the row of a table for a row of an archive."""
    row = dict(values) | {"run_id": run_id}
    if "client" in row:
        row["client_id"] = ids.get(row.pop("client"))
    if table == "rounds":
        row["checkpoint"] = checkpoint_data(row["checkpoint"])
        row["spread"] = _spreads(row["spread"], ids)
    if table == "events":
        row["data"] = _event_data(row["data"], ids)
    return row


def key_fingerprint(public_key: str) -> str:
    """Return the SHA-256 of a client's public key as pairs of hex digits; of an imported one, as its archive says."""
    if public_key.startswith(f"{IMPORTED}:"):
        return bytes.fromhex(public_key.rpartition(":")[2]).hex(":")
    return fingerprint(public_key)


def key_sha256(public_key: str) -> str:
    """Return the SHA-256 of a client's public key, by which people recognize the client."""
    return key_fingerprint(public_key).replace(":", "")


def imported_key(run_id: int, number: int, sha256: str) -> str:
    """Return what stands for the public key of an imported run's client: no key is equal to it."""
    return f"{IMPORTED}:{run_id}:{number}:{sha256}"


def checkpoint_data(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row says of a round's weights, with the name that their file has."""
    name = f"round-{model['round']:06d}.weights"
    return {"file": name, "sha256": model["sha256"], "size_bytes": model["size_bytes"]}


def as_json(value: Any) -> Any:
    """Return a value of a row as JSON has it."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _spreads(spreads: Mapping[str, Any] | None, numbers: Numbers) -> dict[str, Any] | None:
    if spreads is None:
        return None
    return {name: [*of[:WORST], numbers.get(of[WORST], 0), *of[WORST + 1 :]] for name, of in spreads.items()}


def _event_data(data: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    """Return an event's data with other numbers of clients, without the id of a row."""
    kept = {name: value for name, value in data.items() if name not in ("last_metric_id", "run_id")}
    if isinstance(client := kept.get("client_id"), int):
        kept["client_id"] = numbers.get(client)
    return kept
