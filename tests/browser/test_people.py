"""Accounts in a real browser: the first account, what a viewer sees, and a session that ends while a page is open."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import Dashboard, finished_run
from tests.support.people import PASSWORD, add_person
from webapp.accounts.roles import Role


def sign_in(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_from_the_first_account_to_a_viewer_who_is_disabled(
    dashboard: Dashboard, open_page: OpenPage, host: str
) -> None:
    """The browser keeps the cookie with the prefix __Host- over plain HTTP on loopback, by either name."""
    finished_run(dashboard, num_rounds=1)
    url = url_of(dashboard).replace("127.0.0.1", host)
    page = open_page(url)
    page.get_by_role("link", name="Create the first account").click()
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("The account ada was created.")).to_be_visible()
    ben = add_person(dashboard, "ben", "viewer", PASSWORD)
    page.locator(".who > summary").click()
    if host == "localhost":
        look(page, "people")
    else:
        for name, path in (("account", "/account"), ("remove", f"/people/{ben}/remove")):
            page.goto(url + path)
            look(page, name)
        login, _ = dashboard.parts.accounts.device_logins.begin("10.1.2.3")
        page.goto(f"{url}/account/flwr-login?code={login.code}")
        expect(page.get_by_text("A command at the address 10.1.2.3 asks to act in your name.")).to_be_visible()
        look(page, "flwr-login")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text(f"The login {login.code} was approved.")).to_be_visible()
        page.locator(".who > summary").click()
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    look(page, "login")
    page.goto(f"{url}/runs/1?x-axis=time")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, "ben")
    expect(page).to_have_url(f"{url}/runs/1?x-axis=time")
    expect(page.locator("meadow-chart canvas").first).to_be_visible()
    expect(page.get_by_role("link", name="New run")).to_have_count(0)
    expect(page.locator("#live")).to_contain_text("Live")
    if host == "127.0.0.1":
        look(page, "run-of-a-viewer")
    dashboard.parts.accounts.people.disable(ben)
    page.wait_for_url("**/login?next=**", timeout=15_000)
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of each 401


def test_a_form_that_was_opened_with_another_role_is_refused_and_keeps_what_was_typed(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    people, _ = dashboard.parts.accounts.people, add_person(dashboard, "root")
    ben = add_person(dashboard, "ben", "operator", PASSWORD)
    page = open_page(f"{url_of(dashboard)}/login?next=/runs/new")
    sign_in(page, "ben")
    name, message = page.locator("#start-form [name=name]"), page.locator("#message")
    start = page.get_by_role("button", name="Start federation")
    name.click()
    name.press_sequentially("what I typed")
    people.set_role(ben, Role.VIEWER)
    start.click()
    expect(message).to_contain_text("You are ben with the role viewer now. The form was not sent.")
    people.disable(ben)
    expect(message).to_contain_text("You are signed out.", timeout=15_000)
    name.press("End")
    name.press_sequentially("!")  # has the preview asked for
    start.click()
    expect(message).to_contain_text("You are signed out. Sign in in another tab. The page keeps what you entered.")
    people.set_role(people.enable(ben).id, Role.OPERATOR)
    other = page.context.new_page()
    other.goto(f"{url_of(dashboard)}/login")
    sign_in(other, "ben")
    expect(other.locator(".who")).to_be_visible()
    expect(name).to_have_value("what I typed!")
    start.click()
    page.wait_for_url("**/runs/1")
    assert dashboard.parts.runs.show(1).name == "what I typed!"
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of each 401 and 403
