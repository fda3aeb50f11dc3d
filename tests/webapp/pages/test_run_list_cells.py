"""Cells of the list of runs: the best value of a run, and the reason of its state."""

from tests.support.dashboard import Dashboard
from tests.support.markup import get_both
from webapp.db.repository.runs import set_values


def test_the_list_names_the_best_value_of_an_own_metric_and_cuts_a_long_reason(dashboard: Dashboard) -> None:
    own, worse, failed = (dashboard.start_run(name=name) for name in ("Own", "Loss", "Failed"))
    why = "Completed with problems: " + "site-b failed 1,000 times (ValueError: a sentence without end), " * 3
    with dashboard.parts.database.write() as session:
        value = {"round": 2, "value": 0.25}
        best = {"evaluate_loss": value, "evaluate_mAP50(B)": {"round": 1, "value": 0.875}, "train_f1": value}
        set_values(session, own, best_metrics=best)
        set_values(session, worse, best_metrics={"evaluate_loss": value, "train_loss": value})
        set_values(session, failed, state="failed", reason=why)
    runs = get_both(dashboard.http, "/runs", "runs-list")
    found = [runs.one("tr", id=f"run-{run_id}").all("td")[3].text for run_id in (own, worse, failed)]
    assert found == ["0.875 mAP50(B)", "0.250 loss", "–"]
    reason = runs.one("tr", id=f"run-{failed}").one("small", title=True)
    assert len(reason.text) < 100 and reason.text.endswith("…")
    whole = reason["title"] or ""
    assert whole.startswith(reason.text.removesuffix("…")) and whole in f"{why}."
    assert why[:60] in dashboard.http.get(f"/runs/{failed}").text
