"""/metrics counts what happens, with bounded labels; the Grafana dashboard asks only for what is there."""

import json
import re
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.authority import Authority
from tests.support.dashboard import Dashboard, finished_run, running
from tests.support.light_client import Answer, honest, training
from tests.support.processes import wait_until

ROOT = Path(__file__).parents[4]
DASHBOARD = ROOT / "deploy" / "grafana" / "meadow.json"
NAME = re.compile(r"\b(?:meadow|process)_[a-z_]+")
EXPIRY = "meadow_tls_certificate_expiry_timestamp_seconds"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(dashboard: Dashboard) -> Samples:
    answer = dashboard.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_a_run_is_counted_with_its_replies_bytes_and_clients(dashboard: Dashboard) -> None:
    before = scrape(dashboard)
    assert value(before, "meadow_clients", state="online", kind="client") == 0
    assert "meadow_rounds_committed_total" in {name for name, _ in before}
    failing = training(
        lambda task, weights, layout: Answer(error="no") if task.round == 2 else honest(task, weights, layout)
    )
    run_id = finished_run(dashboard, num_rounds=3, min_clients=1)
    with dashboard.stage() as stage:
        stage.add("site-c", failing)
        stage.add("site-d")
        dashboard.wait_for_clients(2)
        dashboard.start_run(num_rounds=3, min_clients=1)
        dashboard.wait_for_state(run_id + 1, "completed")
        after = scrape(dashboard)
    assert value(after, "meadow_rounds_committed_total") == 6
    assert value(after, "meadow_round_seconds_count") == 6
    assert value(after, "meadow_round_seconds_sum") > 0
    assert value(after, "meadow_runs", state="completed") == 2
    assert value(after, "meadow_replies_total", phase="train", outcome="failed") == 1
    assert value(after, "meadow_replies_total", phase="train", outcome="accepted") == 11
    assert value(after, "meadow_content_bytes_total", direction="sent") > 0
    assert value(after, "meadow_content_bytes_total", direction="received") > 0
    assert value(after, "meadow_clients", state="online", kind="client") == 2
    assert value(after, "meadow_clients", state="offline", kind="client") == 2
    assert value(after, "meadow_database_up") == value(after, "meadow_flower_server_up") == 1
    assert value(after, "meadow_queue_length", held="false") == 0
    asked = set(NAME.findall(" ".join(expressions())))
    assert len(asked) > 20
    assert asked - {EXPIRY} <= {name for name, _ in after}, "there is no certificate"


def test_the_docs_name_every_metric(dashboard: Dashboard) -> None:
    told = set(NAME.findall((ROOT / "docs" / "operations.md").read_text()))
    text = dashboard.http.get("/metrics").text
    assert {name for name in told if name.startswith("meadow")} == set(re.findall(r"^# TYPE (meadow_\w+)", text, re.M))


def test_the_expiry_of_certificate_and_ca_is_told_and_follows_a_renewal(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    file = authority.issue(days=(-1, 9))
    with running(tmp_path, tls="flower", tls_certificate=file) as dashboard:
        before, now = scrape(dashboard), time.time()
        assert 8.9 < (value(before, EXPIRY, certificate="server") - now) / 86_400 < 9.1
        assert value(before, EXPIRY, certificate="ca") > now
        assert any(EXPIRY in one for one in expressions()), "Grafana shows it"
        authority.issue(days=(-1, 90))
        wait_until(lambda: (value(scrape(dashboard), EXPIRY, certificate="server") - now) / 86_400 > 89)


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_no_text_of_a_request_becomes_a_label(dashboard: Dashboard) -> None:
    for number in range(30):
        assert dashboard.http.get(f"/api/runs/{1000 + number}").status_code == 404
        dashboard.http.head(f"/api/runs/{1000 + number}")
        dashboard.http.get(f"/nowhere-{number}")
        dashboard.http.get(f"/static/none-{number}.js")
        dashboard.http.request(f"WHATEVER{number}", "/api/runs")
        dashboard.http.get("/", headers={"Host": f"evil-{number}"})
    samples = scrape(dashboard)
    labels = {label for name, found in samples if name.startswith("meadow_http") for label in found if label[0] != "le"}
    assert value(samples, "meadow_http_requests_total", route="/api/runs/{run_id}", method="GET", status="4xx") == 30
    assert value(samples, "meadow_http_requests_total", route="/api/runs/{run_id}", method="HEAD", status="4xx") == 30
    assert ("route", "other") in labels and ("method", "other") in labels and ("route", "/static") in labels
    text = " ".join(text for _, text in labels)
    assert not re.search(r"\d\d|nowhere|none|WHATEVER|evil", text), text
    assert len([one for one in samples if one[0] == "meadow_http_requests_total"]) < 12
