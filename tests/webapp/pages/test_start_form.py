"""The form that starts a run: defaults, what was typed, and what is wrong with it."""

from typing import Any

import pytest

from federation.run.networks import KERAS_NETWORKS
from tests.support.dashboard import Dashboard
from tests.support.markup import Element, get_page, parse
from webapp.pages.start.fields import FIELDS
from webapp.pages.start.form import default_form, parse_form


def fields(page: Element) -> dict[str, str | None]:
    """Return what the form would send, by name."""
    form = next(one for one in page.all("form") if one["action"] == "/runs" and "data-form" in one)
    values = {one["name"] or "": one["value"] for one in form.all("input") if one["type"] in ("text", "number")}
    return values | {one["name"] or "": one.one("option", selected=True)["value"] for one in form.all("select")}


def post(dashboard: Dashboard, **answers: Any) -> Element:
    """Send the form with a mistake in it; return the page that comes back."""
    answer = dashboard.http.post("/runs", data=answers)
    assert answer.status_code == 422, answer.text
    assert dashboard.http.get("/api/runs").json()["total"] == 0
    return parse(answer.text)


def test_the_form_holds_working_defaults(dashboard: Dashboard) -> None:
    page = get_page(dashboard.http, "/runs/new")
    values = fields(page)
    assert (values["network"], values["dataset"], values["num_rounds"], values["min_clients"]) == (
        "mlp",
        "digits",
        "3",
        "2",
    )

    answer = dashboard.http.post("/runs", data=values | {"who": "all"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/1")


@pytest.mark.parametrize("form", ["runs", "experiments"])
def test_a_form_that_was_just_opened_has_no_errors_and_says_what_it_needs(dashboard: Dashboard, form: str) -> None:
    for link in ("network=custom", "network=app", "dataset=synthetic", "strategy=Krum", "num_rounds=0", "clients=x"):
        page = get_page(dashboard.http, f"/{form}/new?{link}")
        assert not page.all(class_="wrong") and not page.all(aria_invalid="true"), link
    said = get_page(dashboard.http, f"/{form}/new?network=custom").one(id="start-sum").text
    assert "Initial weights: Network custom starts from uploaded weights" in said
    sent = get_page(dashboard.http, f"/{form}/new?network=custom&who=all&initial_weights=&num_rounds=0")
    assert [one["id"] for one in sent.all(aria_invalid="true")] == ["num_rounds"]
    assert dashboard.http.post(f"/{form}", data={"network": "app"}).status_code == 422


def test_every_field_has_a_label_and_every_hint_belongs_to_one(dashboard: Dashboard) -> None:
    page = get_page(dashboard.http, "/runs/new")
    named = {label["for"] for label in page.all("label") if "for" in label}
    ids = {one["id"] for one in page.all() if "id" in one}
    for control in [*page.all("select"), *page.all("input", type="number"), *page.all("input", type="text")]:
        assert control["id"] in named
        assert set((control.attributes.get("aria-describedby") or "").split()) <= ids


def test_every_option_of_a_run_is_on_the_form_and_in_the_api_with_its_own_limits(dashboard: Dashboard) -> None:
    page = get_page(dashboard.http, "/runs/new")
    options = dashboard.http.get("/api/options").json()
    for name, schema in options["fields"].items():
        if name in ("strategy_options", "app"):
            continue  # each strategy's options are fields of their own, and apps have forms of their own
        control, typed = page.one(id=name), schema | schema.get("anyOf", [{}])[0]
        label = page.one("legend", class_="sr") if name == "clients" else page.one("label", for_=name)
        assert label.text.startswith(schema["label"])
        if typed["type"] in ("integer", "number"):
            scale = 100 if schema.get("unit") == "percent" else 1
            least = typed.get("minimum", typed.get("exclusiveMinimum")) * scale
            assert float(control["min"] or "nan") == least
            assert control["step"] == ("1" if typed["type"] == "integer" else "any")
            assert ("required" in control) == (schema.get("default") is not None)
    most = {"num_rounds": "100000", "fraction_train": "100", "seed": "2147483647", "Krum.num_malicious_nodes": "1000"}
    assert {name: page.one(id=name)["max"] for name in most} == most


def test_an_option_that_does_not_apply_is_hidden_and_not_read(dashboard: Dashboard) -> None:
    page = get_page(dashboard.http, "/runs/new")
    conditions = {
        one.one("label")["for"]: one["data-only"] for one in page.all("div", class_="field") if "data-only" in one
    }
    assert conditions["dirichlet_alpha"] == "partitioner=dirichlet quantity;kind=training evaluation"
    assert conditions["norm_limit"] == "norm_rule=clip reject;kind=training"
    assert conditions["evaluated_run"] == "kind=evaluation"
    assert conditions["dropout"] == "network=mlp cnn;kind=training evaluation"
    assert conditions["app_config"] == "network=custom app;kind=training evaluation"
    assert (conditions["initial_weights"] or "").startswith("network=custom ConvNeXtTiny ")
    assert conditions["dataset"] == f"network={' '.join(KERAS_NETWORKS)}|kind=statistics"
    assert conditions["optimizer"] == f"network={' '.join(KERAS_NETWORKS)};kind=training"
    assert conditions["FedYogi.tau"] == "strategy=FedYogi;kind=training"

    dashboard.http.post("/runs", data={"partitioner": "iid", "dirichlet_alpha": "-3", "norm_limit": "much"})
    config = dashboard.run(1)["config"]
    assert (config["dirichlet_alpha"], config["norm_limit"]) == (0.5, 3.0)
    labels = [line.text for line in get_page(dashboard.http, "/runs/1").one("dl", class_="config").all("dt")]
    assert "Data partitioning" in labels
    assert not {"Dirichlet α", "Norm threshold (× median)", "Synthetic parameters", "Uploaded weights"} & set(labels)


def test_a_data_seed_is_asked_for_and_shown(dashboard: Dashboard) -> None:
    page = get_page(dashboard.http, "/runs/new")
    control = page.one("details", id="options-advanced").one("input", id="data_seed")
    assert (control["value"], control["placeholder"], control["max"]) == ("", "the run's seed", "2147483647")
    dashboard.http.post("/runs", data={"seed": "1"})
    dashboard.http.post("/runs", data={"seed": "1", "data_seed": "5"})
    assert [dashboard.run(run_id)["config"]["data_seed"] for run_id in (1, 2)] == [None, 5]
    texts = [get_page(dashboard.http, f"/runs/{run_id}").one("dl", class_="config").text for run_id in (1, 2)]
    assert ["Data seed the run's seed" in texts[0], "Data seed 5" in texts[1]] == [True, True]
    assert "Data seed the run's seed 5" in get_page(dashboard.http, "/runs/compare?id=1&id=2").text
    assert dashboard.http.get("/api/options").json()["fields"]["data_seed"]["label"] == "Data seed"


def test_a_share_is_typed_and_written_as_percent(dashboard: Dashboard) -> None:
    page = post(dashboard, max_weight_share="140")
    assert "140 is too large: at most 100" in page.one("small", id="max_weight_share-error").text
    assert "open" in page.one("details", id="options-advanced")
    assert "open" not in page.one("details", id="options-stop-rules")
    dashboard.http.post("/runs", data={"max_weight_share": "40", "batch_size": "16"})
    assert dashboard.run(1)["config"]["max_weight_share"] == 0.4
    page = get_page(dashboard.http, "/runs/1")
    lines = {line.one("dt").text: line.one("dd").text for line in page.one("dl", class_="config").all("div")}
    assert (lines["Maximum weight per client"], lines["Clients"]) == ("40\u202f%", "all with this dataset")
    again = get_page(dashboard.http, "/runs/new?from=1")
    assert again.one("input", id="max_weight_share")["value"] == "40"
    seed = dashboard.run(1)["config"]["seed"]
    text = f"Advanced Batch size: 16, Maximum weight per client: 40 %, Data seed: {seed}"
    assert again.one("details", id="options-advanced").one("summary").text == text


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("num_rounds", "0", "0 is too small: at least 1"),
        ("num_rounds", "2.5", "“2.5” is not a whole number"),
        ("fraction_train", "200", "200 is too large: at most 100"),
        ("fraction_train", "0", "0 is too small: more than 0"),
        ("learning_rate", "nan", "“nan” is not a number"),
        ("learning_rate", "fast", "“fast” is not a number"),
        ("network", "alexnet", "“alexnet” is not one of"),
        ("seed", "-1", "-1 is too small: at least 0"),
        ("name", "x" * 101, "At most 100 characters"),
        ("dataset", "synthetic", "Synthetic data cannot train the network mlp"),
    ],
)
def test_a_mistake_is_named_at_its_field_and_what_was_typed_is_kept(
    dashboard: Dashboard, name: str, typed: str, sentence: str
) -> None:
    page = post(dashboard, **{"name": "Mine", "batch_size": "64", name: typed})

    control = page.one(id=name)
    error = page.one("small", id=f"{name}-error")
    assert sentence in error.text
    assert control["aria-invalid"] == "true"
    assert error["id"] in (control["aria-describedby"] or "").split()
    kept = fields(page)
    assert (kept[name], kept["batch_size"]) == (typed, "64")
    assert page.one("p", role="alert").one("a").text == FIELDS[name].shown.label


def test_a_strategy_takes_its_own_options_and_no_others(dashboard: Dashboard) -> None:
    page = get_page(dashboard.http, "/runs/new")
    assert page.one("input", name="FedProx.proximal_mu")["value"] == "0.1"
    assert page.one("input", name="FedAvgM.server_momentum")["value"] == "0.9"
    assert not page.all("input", name="FedAdam.eta_l"), "an option that changes nothing is not offered"
    assert page.one("input", name="FedYogi.eta")["value"] == "0.01"

    chosen = {"strategy": "FedProx", "FedProx.proximal_mu": "0.5", "FedYogi.eta": "7"}
    dashboard.http.post("/runs", data=fields(page) | chosen)
    assert dashboard.run(1)["config"]["strategy_options"] == {"proximal_mu": 0.5}
    assert "Proximal μ" in get_page(dashboard.http, "/runs/1").one("dl", class_="config").text
    again = get_page(dashboard.http, "/runs/new?from=1")
    assert again.one("input", name="FedProx.proximal_mu")["value"] == "0.5"


def test_too_few_clients_for_a_strategy_and_options_out_of_bounds_are_named(dashboard: Dashboard) -> None:
    page = post(dashboard, strategy="Krum")
    assert "Krum with these options needs 3 clients" in page.one("small", id="min_clients-error").text
    page = post(dashboard, strategy="FedTrimmedAvg", **{"FedTrimmedAvg.beta": "0.7"})
    assert "must be from 0 to below 0.5, it is 0.7" in page.one("small", id="strategy-error").text
    page = post(dashboard, strategy="FedProx", **{"FedProx.proximal_mu": "much"})
    assert "“much” is not a number" in page.one("small", id="FedProx.proximal_mu-error").text


def test_a_field_that_no_run_has_is_refused(dashboard: Dashboard) -> None:
    page = post(dashboard, state="completed")
    assert "state" in page.one("p", role="alert").text


def test_chosen_clients_are_kept_and_none_chosen_is_a_mistake(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
    page = post(dashboard, who="some")
    assert "Select at least one client" in page.text
    page = post(dashboard, who="some", clients="2", num_rounds="0")
    boxes = {box["value"]: "checked" in box for box in page.all("input", name="clients")}
    assert boxes == {"1": False, "2": True}
    page = post(dashboard, who="some", clients="site-b")
    assert "“site-b” is not a whole number" in page.one("fieldset", id="clients").text

    dashboard.http.post("/runs", data={"who": "some", "clients": ["1", "2"]})
    assert dashboard.run(1)["config"]["clients"] == [1, 2]
    again = get_page(dashboard.http, "/runs/new?from=1")
    assert all("checked" in box for box in again.all("input", name="clients"))
    dashboard.http.post("/runs", data={"who": "all", "clients": ["2"]})
    assert dashboard.run(2)["config"]["clients"] is None


def test_a_form_from_another_site_starts_nothing(dashboard: Dashboard) -> None:
    answer = dashboard.http.post("/runs", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert dashboard.http.get("/api/runs").json()["total"] == 0


def test_the_defaults_follow_the_data_that_is_here() -> None:
    assert default_form().values["dataset"] == "digits"
    assert default_form(["cifar10", "cifar10", "mnist", None]).values["dataset"] == "cifar10"
    assert default_form(["cifar10", "digits"]).values["dataset"] == "digits"
    form = default_form(["synthetic"])
    assert (form.values["dataset"], form.values["network"]) == ("synthetic", "synthetic")
    assert form.config is not None


def test_what_is_not_asked_keeps_its_default() -> None:
    form = parse_form([("num_rounds", " 9 "), ("seed", "")])
    assert form.config is not None
    assert (form.config.num_rounds, form.config.batch_size) == (9, 32)
