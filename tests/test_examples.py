"""Examples that talk to a dashboard: what they read is what is there."""

from datetime import datetime

from examples.send_to_wandb import Api
from tests.support.answers import nan_loss_in_round_1
from tests.support.dashboard import Dashboard, finished_run


def test_the_example_for_wandb_reads_each_round_of_a_run_and_a_client(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, nan_loss_in_round_1, num_rounds=3)
    api = Api(f"{dashboard.http.base_url}")
    client = api.get("clients")["items"][0]["id"]
    whole, own = dict(api.history(run_id)), dict(api.history(run_id, client))
    assert list(whole) == list(own) == list(api.rounds(run_id)) == [0, 1, 2, 3]
    assert whole[2].keys() == {"train/loss", "train/accuracy", "evaluate/loss", "evaluate/accuracy"}
    assert whole[2]["evaluate/loss"] == api.rounds(run_id)[2]["metrics"]["evaluate_loss"]
    assert "nan" in map(str, whole[1].values())
    assert datetime.fromisoformat(api.rounds(run_id)[3]["committed_at"]).tzinfo is not None
