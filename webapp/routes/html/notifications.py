"""The pages of notifications: channels, a form for another one and for changes, and the newest deliveries."""

from typing import Any, cast, get_args

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from webapp.operations.notifications.channels import CHANGEABLE
from webapp.operations.notifications.messages import ChannelKind, Occasion
from webapp.operations.notifications.views import ChannelView
from webapp.pages.flash import Flash
from webapp.problems import Invalid, Problem
from webapp.routes.dependencies import Id, NoteDep, PartsDep
from webapp.routes.html.forms import FlashesDep, FormDep, choice_of, see_other, text_of
from webapp.routes.html.page import Page, PageDep

router = APIRouter(prefix="/notifications", include_in_schema=False)

HERE = "/notifications"
KINDS = {"webhook": "Webhook", "slack": "Slack", "teams": "Microsoft Teams", "ntfy": "ntfy", "email": "E-mail"}
OCCASIONS = {
    Occasion.RUN_FINISHED: "Run completed", Occasion.RUN_FAILED: "Run failed or interrupted",
    Occasion.RUN_WAITING: "Run waits too long", Occasion.CLIENT_LOST: "Client lost",
    Occasion.TARGET_REACHED: "Target reached",
}  # fmt: skip
FIELDS = ("name", "kind", "target_metric", "target_value")
"""What the form shows again after an error; address and secret are not among them."""


@router.get("")
def show(page: PageDep) -> HTMLResponse:
    """Show channels and deliveries."""
    return _show(page)


@router.post("")
def add(page: PageDep, flashes: FlashesDep, form: FormDep) -> Response:
    """Add a channel. A key that was made for it is shown once: in the answer to this request."""
    events, kinds = _events(form), cast(tuple[ChannelKind, ...], get_args(ChannelKind))
    try:
        channel, made = page.parts.notifications.channels.add(
            text_of(form, "name"), choice_of(form, "kind", kinds, "Choose a kind"), text_of(form, "address"),
            text_of(form, "secret"), events,            text_of(form, "target_metric"), _number(form),
        )  # fmt: skip
    except Problem as error:
        return _show(page, error.status, error=error.sentence, given=_typed(form), chosen=events)
    if made:
        return _show(page, made=made, made_for=channel.name)
    return see_other(flashes, HERE, Flash(f"The channel {channel.name} was added. Send a test."))


@router.get("/{channel_id}")
def edit(page: PageDep, channel_id: Id) -> HTMLResponse:
    """Show the form that changes a channel, without address and key, which are secrets."""
    channel = page.parts.notifications.channels.show(channel_id)
    value = "" if channel.target_value is None else f"{channel.target_value:g}"
    given = {"name": channel.name, "target_metric": channel.target_metric or "", "target_value": value}
    return _show_form(page, channel, given, channel.events)


@router.post("/{channel_id}")
def change(page: PageDep, flashes: FlashesDep, note: NoteDep, channel_id: Id, form: FormDep) -> Response:
    """Change a channel; an empty address or key stays as it is."""
    note.detail["changed"] = sorted(name for name in form if name in CHANGEABLE and form[name])
    channels, events = page.parts.notifications.channels, _events(form)
    before = channels.show(channel_id)
    try:
        after, _ = channels.change(channel_id, {
            "name": text_of(form, "name"), "address": text_of(form, "address").strip() or None,
            "secret": text_of(form, "secret") or None, "events": events, "target_value": _number(form),
            "target_metric": text_of(form, "target_metric"),
        })  # fmt: skip
    except Problem as error:
        return _show_form(page, before, _typed(form), events, error.status, error.sentence)
    return see_other(flashes, HERE, Flash(f"The channel {after.name} was changed. Send a test."))


@router.post("/{channel_id}/test")
def test(parts: PartsDep, flashes: FlashesDep, channel_id: Id) -> Response:
    """Queue a test."""
    channel = parts.notifications.channels.test(channel_id)
    return see_other(flashes, HERE, Flash(f"A test for {channel.name} is on its way: see Deliveries."))


@router.post("/{channel_id}/enable")
def enable(parts: PartsDep, flashes: FlashesDep, channel_id: Id) -> Response:
    """Switch a channel on."""
    channel = parts.notifications.channels.set_enabled(channel_id, True)
    return see_other(flashes, HERE, Flash(f"The channel {channel.name} is on."))


@router.post("/{channel_id}/disable")
def disable(parts: PartsDep, flashes: FlashesDep, channel_id: Id) -> Response:
    """Switch a channel off."""
    channel = parts.notifications.channels.set_enabled(channel_id, False)
    return see_other(flashes, HERE, Flash(f"The channel {channel.name} is off.", f"{HERE}/{channel_id}/enable"))


@router.post("/{channel_id}/remove")
def remove(parts: PartsDep, flashes: FlashesDep, channel_id: Id) -> Response:
    """Remove a channel."""
    parts.notifications.channels.remove(channel_id)
    return see_other(flashes, HERE, Flash("The channel was removed."))


def _events(form: FormData) -> list[Occasion]:
    return [Occasion(one) for one in form.getlist("events") if isinstance(one, str) and one in list(Occasion)]


def _typed(form: FormData) -> dict[str, str]:
    return {name: text_of(form, name)[:100] for name in FIELDS}


def _number(form: FormData) -> float | None:
    text = text_of(form, "target_value").strip()
    try:
        return float(text) if text else None
    except ValueError as error:
        raise Invalid("target_value", "must be a number") from error


def _show_form(
    page: Page, channel: ChannelView, given: dict[str, str], chosen: list[Occasion], status: int = 200, error: str = ""
) -> HTMLResponse:
    return page.show(
        "notifications/edit.html", HERE, status, channel=channel, kinds=KINDS, occasions=OCCASIONS, given=given,
        chosen=chosen, error=error,
    )  # fmt: skip


def _show(page: Page, status: int = 200, **shown: Any) -> HTMLResponse:
    notifications = page.parts.notifications
    context: dict[str, Any] = {
        "error": "", "given": dict.fromkeys(FIELDS, ""), "made": "", "made_for": "",
        "chosen": [Occasion.RUN_FINISHED, Occasion.RUN_FAILED, Occasion.RUN_WAITING],
    }  # fmt: skip
    return page.show(
        "notifications/index.html", HERE, status, channels=notifications.channels.list(), kinds=KINDS,
        occasions=OCCASIONS, deliveries=notifications.channels.deliveries(), can_mail=notifications.can_mail,
        **context | shown,
    )  # fmt: skip
