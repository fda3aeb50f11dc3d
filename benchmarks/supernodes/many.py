"""``python -m benchmarks.supernodes.many``: twenty stock SuperNodes on this machine join, and a run uses them all.

Exit codes: 0 each round has a reply of every SuperNode, 1 one is missing.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.supernodes.nodes import NodeFederation, seconds_of
from federation.run.states import ENDED
from tests.support.processes import wait_until


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.supernodes.many", description=__doc__)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="meadow-nodes-", ignore_cleanup_errors=True) as folder,
        NodeFederation(Path(folder), given.nodes) as federation,
    ):
        print(f"{given.nodes} SuperNodes online and described after {time.monotonic() - began:.1f} s", flush=True)
        run_id = federation.start_run(given.rounds)
        wait_until(lambda: federation.run(run_id)["state"] in ENDED, 600 * given.rounds, "the end of the run")
        run, rounds = federation.run(run_id), federation.rounds(run_id)
        rss = psutil.Process(federation.meadow.running.pid).memory_info().rss
        objects = federation.objects()
    replies = [row["replies"] for row in rounds]
    seconds = ", ".join(f"{one:.1f}" for one in seconds_of(rounds))
    print(f"run {run['state']}: replies {replies}, seconds a round {seconds}")
    print(f"dashboard {rss / 1e6:.0f} MB, {objects} objects left")
    whole = [one.get("train", given.nodes) == one["evaluate"] == given.nodes for one in replies]
    return 0 if run["state"] == "completed" and len(rounds) == given.rounds + 1 and all(whole) and not objects else 1


if __name__ == "__main__":
    sys.exit(main())
