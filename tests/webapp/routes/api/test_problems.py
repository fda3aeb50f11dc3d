"""Rounds with thousands of problems: an answer has those of fewer rounds, a page counts them all; none is cut off."""

from tests.support.books import reply
from tests.support.dashboard import Dashboard
from tests.support.markup import get_page
from tests.webapp.routes.api.test_metrics import add_client, add_run, play
from webapp.db.repository.rounds import insert_replies
from webapp.operations.rows import reply_row


def test_no_problem_of_a_round_is_cut_off(dashboard: Dashboard) -> None:
    client, other = add_client(dashboard, "site-a"), add_client(dashboard, "site-b")
    run_id = add_run(dashboard)
    for number in range(4):
        play(dashboard, run_id, number, [client, other], loss=1.0)
    with dashboard.parts.database.write() as session:
        for number in (1, 2, 3):
            failed = [reply(run_id, number, client, "train", "failed", f"error {n}", n) for n in range(2, 4502)]
            late = [reply(run_id, number, other, "train", "late", None, attempt) for attempt in (2, 3)]
            insert_replies(session, [reply_row(one) for one in failed + late])

    def page(after: int) -> tuple[dict[int, int], int]:
        answer = dashboard.http.get(f"/api/runs/{run_id}/rounds?after={after}").json()
        return {one["round"]: len(one["failures"]) for one in answer["items"]}, answer["total"]

    assert page(-1) == ({0: 0, 1: 4502, 2: 4502}, 4)
    assert page(2) == ({3: 4502}, 4)
    row = get_page(dashboard.http, f"/runs/{run_id}").one("tr", id="round-3")
    assert "site-a: failed, error 2; site-a: failed, error 3; site-a: failed, error 4; 4,498 more" in row.text
