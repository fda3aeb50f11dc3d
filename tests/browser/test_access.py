"""Every page in every state that a person can reach: nothing that axe finds, in both themes, wide and narrow."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Page, expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, Answering, honest
from tests.support.processes import wait_until

SITES = ("st-anna", "northgate", "harbour", "field-03")
COUNTS = ([900, 60, 10, 10, 10, 10, 0, 0, 0, 0], [100] * 10, [10, 300, 200, 50, 50, 90, 40, 60, 80, 20], None)
LAST = 9
"""The round in which the clients of the run under way stop answering."""
SICK = 7
"""The batch size with which all replies are refused."""


def site(place: int) -> Answering:
    """Answer as one of four sites: each better than the next, the third fails once, the fourth is refused once."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "prepare":
            counts = COUNTS[place]
            said.data = {"samples": {"train": sum(counts or [500]), "test": 100}, "input_shape": [8, 8, 1],
                         "classes": 10, "label_counts": counts}  # fmt: skip
            return said
        said.metrics = {name: value * (1 - 0.06 * place) for name, value in said.metrics.items()}
        if task.phase == "train":
            said.error = "ran out of memory" if (task.round, place) == (4, 2) else None
            sick = (task.round, place) == (2, 3) or task.config.get("synthetic_parameters") == SICK
            said.num_examples = 0 if sick else 10
            said.silent = task.round == LAST
            said.delay_seconds = 0.05 if place == 0 and task.round > 3 else 0.0
        return said

    return answer


class Scene:
    """A dashboard with a run in every state, and the addresses of its pages."""

    def __init__(self, url: str, pages: dict[str, str]) -> None:
        self.url, self.pages = url, pages


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Runs of a first process, one of which it interrupts; then a second process with one under way."""
    folder, keys = tmp_path_factory.mktemp("scene"), [ec.generate_private_key(ec.SECP384R1()) for _ in SITES]
    with running(folder) as first, first.stage() as stage:
        for place, name in enumerate(SITES):
            stage.add(name, site(place), key=keys[place])
            first.wait_for_clients(place + 1)
        for place in range(12):
            stage.add(f"bench-{place:02}", dataset="mnist")
        first.wait_for_clients(16)
        pages = _ended(first)
        stopped = first.start_run(name="Stopped", num_rounds=5000, clients=["st-anna"], min_clients=1)
        wait_until(lambda: first.run(stopped)["current_round"] > 0, what="a round")
        first.http.post(f"/api/runs/{stopped}/stop")
        first.wait_for_state(stopped, "stopped")
        interrupted = first.start_run(name="Interrupted", num_rounds=5000, clients=list(SITES))
        held = first.start_run(name="Held back")
        wait_until(lambda: first.run(interrupted)["current_round"] == LAST - 1, what="the rounds that are answered")
    with ExitStack() as stack:
        second = stack.enter_context(running(folder, admission="approve"))
        stage = stack.enter_context(second.stage())
        for place, name in enumerate(SITES):
            stage.add(name, site(place), key=keys[place])
        second.wait_for_clients(4)
        stage.add("ward-7")
        wait_until(lambda: len(second.http.get("/api/clients").json()["items"]) == 17, what="the newcomer")
        second.http.post("/api/clients/4/leave-out")
        second.http.post("/api/clients/6/revoke")
        for _ in range(2):
            second.http.post("/api/join-codes", json={"name": "ward-8"})
        second.http.post("/api/join-codes/1/revoke")
        active = second.start_run(name="Goes on", num_rounds=40, min_clients=2, round_timeout_seconds=3000)
        queued = second.start_run(name="Waits")
        wait_until(lambda: second.run(active)["current_round"] == LAST - 1, what="the last round that is answered")
        yield Scene(url_of(second), pages | {
            "home-running": "/", "run-running": f"/runs/{active}", "run-stopped": f"/runs/{stopped}",
            "run-interrupted": f"/runs/{interrupted}", "run-held": f"/runs/{held}", "run-queued": f"/runs/{queued}",
            "run-loss": "/runs/1?cells=loss&x=clock&phase=train&events=trouble", "runs": "/runs",
            "runs-chosen": "/runs?id=1&id=2", "runs-none": "/runs?q=nothing+like+it",
            "archived": "/runs?state=archived",
            "compare": f"/runs/compare?id={active}&id=1&id=2", "compare-none": "/runs/compare",
            "new-from": "/runs/new?from=1", "new-errors": "/runs/new?num_rounds=0&strategy=Krum&who=some",
            "new-digits": "/runs/new?dataset=digits&network=mlp", "stop": f"/runs/{active}/stop",
            "delete": f"/runs/delete?id=1&id={active}", "notes": "/runs/1/notes", "clients": "/clients",
            "clients-none": "/clients?show=offline", "client": "/clients/1", "client-out": "/clients/4",
            "client-revoked": "/clients/6", "client-pending": "/clients/17", "revoke": "/clients/2/revoke",
            "add-client": "/clients/add",
            "server": "/server", "notifications": "/notifications", "audit": "/audit?check=1", "docs": "/docs",
        })  # fmt: skip


def _ended(dashboard: Dashboard) -> dict[str, str]:
    """Start runs that complete with trouble, fail and are cancelled; return their pages."""
    done = dashboard.start_run(name="Skewed hospitals", num_rounds=6, clients=list(SITES))
    dashboard.wait_for_state(done, "completed")
    failed = dashboard.start_run(name="Failed", synthetic_parameters=SICK, clients=list(SITES[:2]))
    dashboard.wait_for_state(failed, "failed")
    waiting = dashboard.start_run(name="A typo", min_clients=100)
    dashboard.http.post(f"/api/runs/{waiting}/stop")
    dashboard.wait_for_state(waiting, "stopped", "cancelled")
    dashboard.http.post(f"/api/runs/{waiting}/archive")
    dashboard.http.post(f"/api/runs/{done}/note", json={"note": "Baseline of the paper.\nThe split was wrong."})
    dashboard.http.post(f"/api/runs/{done}/tags", json={"tags": ["baseline", "paper"]})
    return {"run-done": f"/runs/{done}", "run-failed": f"/runs/{failed}", "run-cancelled": f"/runs/{waiting}"}


WITH_CHARTS = ("home-running", "run-running", "run-done", "run-loss", "run-stopped", "run-interrupted")
PAGES = (
    *WITH_CHARTS, "run-failed", "run-cancelled", "run-held", "run-queued", "runs", "runs-chosen", "runs-none",
    "archived", "compare", "compare-none", "new-from", "new-errors", "new-digits", "stop", "delete", "notes",
    "clients", "clients-none", "client", "client-out", "client-revoked", "client-pending", "revoke", "add-client",
    "server", "notifications", "audit", "docs",
)  # fmt: skip


@pytest.fixture(scope="module")
def window(scene: Scene, browser: object) -> Iterator[Page]:
    """One window for all pages of the scene."""
    context = browser.new_context(timezone_id="UTC")  # type: ignore[attr-defined]
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_fits(scene: Scene, window: Page, name: str) -> None:
    window.goto(scene.url + scene.pages[name])
    if name in WITH_CHARTS:
        expect(window.locator("meadow-chart canvas").first).to_be_visible(timeout=20_000)
    if name == "compare":
        expect(window.locator("meadow-compare canvas").first).to_be_visible(timeout=20_000)
    if name == "docs":
        expect(window.get_by_role("heading", name="runs")).to_be_visible()
    look(window, name, without="nested-interactive" if name == "docs" else "")  # Swagger UI has links in its buttons


def test_the_scene_has_a_page_for_every_name(scene: Scene) -> None:
    assert sorted(PAGES) == sorted(scene.pages)


def test_pages_before_the_first_run_are_accessible_and_fit(dashboard: Dashboard, open_page: OpenPage) -> None:
    url, page = url_of(dashboard), open_page("about:blank")

    def see(name: str, path: str) -> Page:
        page.goto(url + path)
        return page

    empty = {"home": "/", "runs": "/runs", "clients": "/clients", "server": "/server", "new": "/runs/new"}
    wrong = {"404": "/nothing", "404-run": "/runs/99", "422": "/clients/zero"}
    for name, path in {**empty, **wrong}.items():
        look(see(name, path), f"empty-{name}")
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 404 and 422
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        look(see("home", "/"), "home-idle")
        run_id = dashboard.start_run(name="Digits, first try", num_rounds=500)
        wait_until(lambda: (dashboard.run(run_id)["blocked_on"] or {}).get("kind") == "quorum", what="a wait")
        for name, path in (("home", "/"), ("run", f"/runs/{run_id}"), ("server", "/server")):
            expect(see(name, path).locator(".block, .ways-out").first).to_be_visible()
            look(page, f"{name}-waiting")
        stage.add("site-b", unhurried)
        wait_until(lambda: dashboard.run(run_id)["current_round"] > 2, what="two rounds")
        dashboard.http.post(f"/api/runs/{run_id}/pause")
        dashboard.wait_for_state(run_id, "paused")
        for name, path in (("home", "/"), ("run", f"/runs/{run_id}"), ("server", "/server")):
            look(see(name, path), f"{name}-paused")


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    said = honest(task, weights, layout)
    said.delay_seconds = 0.02
    return said
