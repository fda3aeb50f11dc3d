"""A notification as plain data, and as the body that each kind of channel wants.

Names that people and clients choose are in every text: they are on one line, and escaped where a format has a syntax.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from webapp.sanitizing import clean_text

ChannelKind = Literal["webhook", "slack", "teams", "ntfy", "email"]


class Occasion(StrEnum):
    """What a notification is about."""

    RUN_FINISHED = "run_finished"
    RUN_FAILED = "run_failed"
    RUN_WAITING = "run_waiting"
    TARGET_REACHED = "target_reached"
    CLIENT_LOST = "client_lost"
    TEST = "test"


class Message(BaseModel):
    """One notification: title and text are of one line each, ``link`` is empty where no public address is known."""

    event: Occasion
    title: str
    text: str
    at: datetime
    run_id: int | None = None
    client_id: int | None = None
    link: str = ""


def make_message(event: Occasion, title: str, text: str, **ids: Any) -> Message:
    """Return a message of now, without line breaks and control characters."""
    return Message(event=event, title=clean_text(title, 200), text=clean_text(text, 600), at=datetime.now(UTC), **ids)


def body_of(kind: ChannelKind, message: Message, delivery_id: str, address: str) -> bytes:
    """Return the JSON that a channel of that kind gets; not for e-mail."""
    return json.dumps(_BODIES[kind](message, delivery_id, address)).encode()


def plain_text(message: Message) -> str:
    """Return the text of an e-mail."""
    return "\n\n".join(part for part in (message.title, message.text, message.link) if part) + "\n"


def post_address(kind: ChannelKind, address: str) -> str:
    """Return where to post: ntfy takes JSON at its root, which names the topic."""
    return f"{address.rpartition('/')[0]}/" if kind == "ntfy" else address


def _webhook(message: Message, delivery_id: str, _address: str) -> dict[str, Any]:
    return {"id": delivery_id, **message.model_dump(mode="json")}


def _slack(message: Message, _delivery_id: str, _address: str) -> dict[str, Any]:
    title, text = (_slack_text(part) for part in (message.title, message.text))
    link = f"\n<{message.link}|Open in Meadow>" if message.link else ""
    return {"text": f"*{title}*\n{text}{link}"}


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(message: Message, _delivery_id: str, _address: str) -> dict[str, Any]:
    """An Adaptive Card as the Workflows app of Teams takes it; its connectors with MessageCards have been retired."""
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": _card_text(message.title), "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": _card_text(message.text), "wrap": True},
        ],
    }  # fmt: skip
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Meadow", "url": message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _card_text(text: str) -> str:
    return re.sub(r"([\\\[\]()*_#`<>-])", r"\\\1", text)


def _ntfy(message: Message, _delivery_id: str, address: str) -> dict[str, Any]:
    urgent = message.event in (Occasion.RUN_FAILED, Occasion.RUN_WAITING, Occasion.CLIENT_LOST)
    body = {"topic": urlsplit(address).path.rpartition("/")[2], "title": message.title, "message": message.text,
            "priority": 4 if urgent else 3}  # fmt: skip
    return body | {"click": message.link} if message.link else body


_BODIES: dict[ChannelKind, Callable[[Message, str, str], dict[str, Any]]] = {
    "webhook": _webhook, "slack": _slack, "teams": _teams, "ntfy": _ntfy,
}  # fmt: skip
