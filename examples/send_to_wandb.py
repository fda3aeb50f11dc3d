"""Sends a run of Meadow to Weights & Biases: reads Meadow's API, writes with the library wandb (pip install wandb).

python examples/send_to_wandb.py http://127.0.0.1:8000 12 --clients 5     # writes wandb/offline-run-*
wandb sync wandb/offline-run-*                                            # sends it; or begin with --online

Needs no other package, and nothing of Meadow: copy it to wherever wandb is installed.
"""

import argparse
import json
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

NUMBERS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


class Api:
    """Meadow's API; ``token`` is one of the Account page, empty for none."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._headers = url.rstrip("/"), {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return an answer; raises urllib.error.HTTPError."""
        request = Request(f"{self._url}/api/{path}?{urlencode(query)}", headers=self._headers)
        with urlopen(request, timeout=60) as answer:
            return dict(json.load(answer))

    def rounds(self, run_id: int) -> dict[int, dict[str, Any]]:
        """Return the completed rounds of a run by number."""
        found: dict[int, dict[str, Any]] = {}
        while items := self.get(f"runs/{run_id}/rounds", after=max(found, default=-1))["items"]:
            found |= {item["round"]: item for item in items}
        return found

    def history(self, run_id: int, client: int | str = "aggregate") -> Iterator[tuple[int, dict[str, float]]]:
        """Give the metrics of each round, of a client or the mean over clients, such as ``evaluate/accuracy``."""
        since, number, metrics = 0, -1, dict[str, float]()
        while items := self.get(f"runs/{run_id}/metrics", client_id=client, since_id=since)["items"]:
            for item in items:
                if item["round"] != number and metrics:
                    yield number, metrics
                    metrics = {}
                number = item["round"]
                value = item["value"] if item["kind"] == "finite" else NUMBERS[item["kind"]]
                metrics[f"{item['phase']}/{item['name']}"] = value
            since = items[-1]["id"]
        if metrics:
            yield number, metrics


def log_run(
    wandb: Any, api: Api, run: dict[str, Any], given: argparse.Namespace, client: dict[str, Any] | None
) -> None:
    """Write a run, or a client in it, as one run of W&B, whose steps are rounds."""
    begun = datetime.fromisoformat(run["created_at"]).strftime("%Y%m%d%H%M%S")
    name = run["name"] if client is None else f"{run['name']}, {client['name']}"
    rounds = api.rounds(run["id"])
    with wandb.init(
        project=given.project, name=name, id=f"meadow-{begun}-{run['id']}" + (f"-{client['id']}" if client else ""),
        group=f"meadow-{begun}-{run['id']}", job_type="client" if client else "federation", mode=given.mode,
        config=run["config"], tags=run["tags"], notes=run["note"] or None, dir=given.dir,
    ) as made:  # fmt: skip
        for number, metrics in api.history(run["id"], client["id"] if client else "aggregate"):
            row = rounds[number]
            own = {"round/seconds": row["seconds"], "round/bytes_down": row["bytes_down"],
                   "round/bytes_up": row["bytes_up"], "round/clients": row["replies"].get("train", 0)}  # fmt: skip
            at = datetime.fromisoformat(row["committed_at"]).timestamp()
            made.log(metrics | ({} if client else own) | {"_timestamp": at}, step=number)
        made.summary["state"] = run["state"]


def main() -> None:
    """Send one run."""
    parser = argparse.ArgumentParser(description="Send a run of Meadow to Weights & Biases.")
    parser.add_argument("url", help="address of the dashboard")
    parser.add_argument("run", type=int, help="number of the run")
    parser.add_argument("--project", default="meadow", help="project of W&B")
    parser.add_argument("--clients", type=int, default=0, help="maximum number of clients that become runs, too")
    parser.add_argument("--dir", default=".", help="folder below which wandb writes")
    parser.add_argument("--online", dest="mode", action="store_const", const="online", default="offline")
    given = parser.parse_args()
    import wandb

    api = Api(given.url, os.environ.get("MEADOW_TOKEN", ""))
    run = api.get(f"runs/{given.run}")
    log_run(wandb, api, run, given, None)
    reported = (one for one in api.get("clients")["items"] if next(api.history(run["id"], one["id"]), None))
    for _, client in zip(range(given.clients), reported, strict=False):
        log_run(wandb, api, run, given, client)


if __name__ == "__main__":
    main()
