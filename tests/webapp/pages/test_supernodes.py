"""SuperNodes on the pages: what they cannot do, and one that cannot take part is eligible nowhere."""

from tests.support.dashboard import Dashboard
from tests.support.light_node import LightNode
from tests.support.markup import get_page
from tests.support.processes import wait_until


def test_a_supernode_with_a_bad_node_config_is_eligible_on_no_page_and_its_page_says_why(dashboard: Dashboard) -> None:
    said = "BadNodeConfig: node config: dataset 'patients' is none of digits, mnist, fashion_mnist, cifar10, synthetic"
    with LightNode(dashboard.flower_address, dataset="patients"), LightNode(dashboard.flower_address) as good:
        wait_until(lambda: good.seen and said in get_page(dashboard.http, "/server").text)
        names = [one["name"] for one in dashboard.wait_for_clients(2)]
        form = get_page(dashboard.http, "/runs/new?network=synthetic&min_clients=3").one("div", id="start-sum")
        run_id = dashboard.start_run(min_clients=3)
        dashboard.wait_for_state(run_id, "waiting")
        run = get_page(dashboard.http, f"/runs/{run_id}")
        pages = [get_page(dashboard.http, f"/clients/{number}") for number in (1, 2)]
    (bad,) = [name for name, page in zip(names, pages, strict=True) if said in page.text]
    (fine,) = set(names) - {bad}
    assert f"{bad} : {said}" in form.text and "1 of 3 clients online" in form.text
    others = run.one("section", aria_labelledby="other-h").text
    assert f"{bad} : {said}" in others and fine not in others
    assert all("Stop and cancel" in page.text and "Not reported" in page.text for page in pages)
