"""A dashboard as a process on a database of another place, with a run under way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.dashboard import Api
from tests.support.http import LOCAL
from tests.support.light_client import Answer, Stage, training
from tests.support.processes import Meadow, make_meadow, wait_until


@contextmanager
def at_work(folder: Path, url: str) -> Iterator[tuple[Meadow, Api, int]]:
    """Give a dashboard as a process, its API and the id of a run of two light clients in its third round."""
    meadow = make_meadow(folder, "--database-url", url, preloaded=True)
    try:
        meadow.start()
        with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http, Stage(meadow.flower_address) as st:
            api = Api(http)
            for name in "ab":
                st.add(name, training(lambda _, weights, __: Answer(weights, delay_seconds=0.03)))
            api.wait_for_clients(2)
            run_id = api.start_run(num_rounds=100_000)
            wait_until(lambda: api.run(run_id)["current_round"] >= 2)
            yield meadow, api, run_id
    finally:
        meadow.kill()
