"""The page that tries a run's model, as it stands before and after a wrong answer."""

from playwright.sync_api import expect

from federation.run.config import RunConfig
from federation.schema.columns import AgreedColumn, AgreedSchema
from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import Dashboard, finished_run
from webapp.db.repository.runs import set_values

NUMBERS = ("mean radius", "mean texture", "worst concavity", "age at diagnosis in years, as it is written in the file")
SCHEMA = AgreedSchema(
    form="table", task="classes", target="diagnosis", classes=["benign", "malignant"], columns=[
        *(AgreedColumn(name=name, kind="number") for name in NUMBERS),
        AgreedColumn(name="ward", kind="category", categories=["east", "west"]),
        AgreedColumn(name="seen", kind="date"),
    ],
)  # fmt: skip


def test_the_form_of_a_case_can_be_read_and_says_what_is_wrong(dashboard: Dashboard, open_page: OpenPage) -> None:
    run_id = finished_run(dashboard, name="Tumours", num_rounds=1)
    with dashboard.parts.database.write() as session:
        config = RunConfig(network="mlp", num_rounds=1).stored()
        set_values(session, run_id, config=config, network="mlp", agreed_schema=SCHEMA.model_dump(mode="json"))
    page = open_page(f"{url_of(dashboard)}/runs/{run_id}")
    page.get_by_role("link", name="Try it").click()
    page.get_by_label("mean radius").fill("14.2")
    page.get_by_label("ward").select_option("west")
    look(page, "try")
    page.get_by_label("Or a CSV file").set_input_files({"name": "case.exe", "mimeType": "x/y", "buffer": b"x"})
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#case-error")).to_contain_text("Choose a file that ends with")
    expect(page.get_by_label("mean radius")).to_have_value("14.2")
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 422
    look(page, "try-wrong")
