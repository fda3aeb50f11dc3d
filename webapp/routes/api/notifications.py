"""/api/notifications: channels, a test of each, and what was delivered."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr

from webapp.operations.notifications.channels import MAX_NAME, MAX_SECRET
from webapp.operations.notifications.messages import ChannelKind, Occasion
from webapp.operations.notifications.views import ChannelView, DeliveryView
from webapp.operations.notifications.webhooks import MAX_ADDRESS
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.dependencies import Id, NoteDep, PartsDep

router = APIRouter(prefix="/api/notifications", tags=["notifications"], responses=REFUSED)


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, examples=["lab chat"])]
Address = Annotated[
    SecretStr,
    Field(strict=False, max_length=MAX_ADDRESS, description="A URL, or e-mail addresses separated by commas.",
          examples=["https://example.org/meadow"]),
]  # fmt: skip
Secret = Annotated[
    SecretStr,
    Field(strict=False, max_length=MAX_SECRET, description="Key of the signature of a webhook, which is made where "
          "none is given; access token of ntfy. It is not shown again."),
]  # fmt: skip
Events = Annotated[list[Annotated[Occasion, Field(strict=False)]], Field(min_length=1, max_length=10)]


class NewChannel(StrictBody):
    """A channel to add."""

    name: Name
    kind: ChannelKind
    address: Address
    secret: Secret = SecretStr("")
    events: Events
    target_metric: Annotated[str | None, Field(max_length=100, examples=["evaluate_accuracy"])] = None
    target_value: Annotated[float | None, Field(strict=False, description="With target_reached: tell it once.")] = None


class ChangedChannel(StrictBody):
    """What to change of a channel; the rest stays."""

    name: Name | None = None
    address: Address | None = None
    secret: Annotated[Secret | None, Field(description="Empty: a webhook gets a new key.")] = None
    events: Events | None = None
    target_metric: Annotated[str | None, Field(max_length=100)] = None
    target_value: Annotated[float | None, Field(strict=False)] = None


class AddedChannel(ChannelView):
    """A new or changed channel, with the key that was made for its signature."""

    secret: str | None = Field(description="Shown in this answer only; null where none was made.")


class ChannelList(BaseModel):
    """All channels, oldest first."""

    items: list[ChannelView]


class DeliveryList(BaseModel):
    """The newest deliveries, newest first."""

    items: list[DeliveryView]


@router.get("/channels")
def list_channels(parts: PartsDep) -> ChannelList:
    """Return all channels, without secrets."""
    return ChannelList(items=parts.notifications.channels.list())


@router.post("/channels", status_code=201, responses=CONFLICT)
def add_channel(parts: PartsDep, body: NewChannel) -> AddedChannel:
    """Add a channel; it gets notifications from then on."""
    view, made = parts.notifications.channels.add(
        body.name, body.kind, body.address.get_secret_value(), body.secret.get_secret_value(), body.events,
        body.target_metric, body.target_value,
    )  # fmt: skip
    return AddedChannel(secret=made or None, **view.model_dump())


@router.patch("/channels/{channel_id}", responses=MISSING)
def change_channel(parts: PartsDep, note: NoteDep, channel_id: Id, body: ChangedChannel) -> AddedChannel:
    """Change a channel of the same kind; what is queued for it is sent to its new address."""
    note.detail["changed"] = sorted(body.model_fields_set)
    changes = {name: one.get_secret_value() if isinstance(one, SecretStr) else one for name, one in body}
    view, made = parts.notifications.channels.change(channel_id, changes)
    return AddedChannel(secret=made or None, **view.model_dump())


@router.delete("/channels/{channel_id}", status_code=204, responses=MISSING)
def remove_channel(parts: PartsDep, channel_id: Id) -> None:
    """Remove a channel with its deliveries."""
    parts.notifications.channels.remove(channel_id)


@router.post("/channels/{channel_id}/enable", responses=MISSING)
def enable_channel(parts: PartsDep, channel_id: Id) -> ChannelView:
    """Switch a channel on."""
    return parts.notifications.channels.set_enabled(channel_id, True)


@router.post("/channels/{channel_id}/disable", responses=MISSING)
def disable_channel(parts: PartsDep, channel_id: Id) -> ChannelView:
    """Switch a channel off; what is queued for it is still sent."""
    return parts.notifications.channels.set_enabled(channel_id, False)


@router.post("/channels/{channel_id}/test", status_code=202, responses=MISSING)
def test_channel(parts: PartsDep, channel_id: Id) -> ChannelView:
    """Queue a test notification; its delivery is in the list of deliveries."""
    return parts.notifications.channels.test(channel_id)


@router.get("/deliveries")
def list_deliveries(parts: PartsDep) -> DeliveryList:
    """Return the newest deliveries with their outcome."""
    return DeliveryList(items=list(parts.notifications.channels.deliveries()))
