"""Notifications as one part of the dashboard: outbox, channels and sender."""

from collections.abc import Callable, Collection

from webapp.db.database import Database
from webapp.operations.notifications.channels import Channels
from webapp.operations.notifications.mail import Mailer
from webapp.operations.notifications.outbox import Outbox
from webapp.operations.notifications.sender import Sender
from webapp.operations.notifications.webhooks import Webhooks
from webapp.settings import Settings


class Notifications(Sender):
    """Queues what channels want to know of the events of a database, and sends it from ``start`` to ``stop``."""

    def __init__(self, settings: Settings, database: Database, online_ids: Callable[[], Collection[int]]) -> None:
        outbox = Outbox(settings.public_url)
        super().__init__(
            database, outbox, Webhooks(allow_private=settings.allow_private_webhooks), Mailer(settings),
            online_ids=online_ids, wait_seconds=settings.notify_wait_seconds,
        )  # fmt: skip
        self.channels, self.can_mail = Channels(database, outbox), bool(settings.smtp_host)
        database.before_commit = outbox.add
