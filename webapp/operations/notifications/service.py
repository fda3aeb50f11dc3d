"""Notifications as one part of the dashboard: outbox, channels and sender."""

from collections.abc import Callable, Collection

from webapp.db.database import Database
from webapp.operations.notifications.channels import Channels
from webapp.operations.notifications.mail import Mailer, SmtpServer
from webapp.operations.notifications.outbox import Outbox
from webapp.operations.notifications.sender import Sender
from webapp.operations.notifications.webhooks import Webhooks
from webapp.settings import Settings


class Notifications:
    """Queues what channels want to know of the events of a database, and sends it from ``start`` to ``stop``."""

    def __init__(self, settings: Settings, database: Database, online_ids: Callable[[], Collection[int]]) -> None:
        outbox = Outbox(settings.public_url)
        self.channels = Channels(database, outbox)
        database.before_commit = outbox.add
        self._sender = Sender(
            database, outbox, Webhooks(allow_private=settings.allow_private_webhooks), Mailer(smtp_server(settings)),
            online_ids=online_ids, wait_seconds=settings.notify_wait_seconds,
        )  # fmt: skip
        self.can_mail = bool(settings.smtp_host)

    def start(self) -> None:
        """Begin to send."""
        self._sender.start()

    def stop(self) -> None:
        """End after the present try."""
        self._sender.stop()


def smtp_server(settings: Settings) -> SmtpServer | None:
    """Return the SMTP server of the settings."""
    if not settings.smtp_host:
        return None
    sender = settings.smtp_from or f"meadow@{settings.smtp_host}"
    return SmtpServer(
        settings.smtp_host, settings.smtp_port, settings.smtp_security, sender, settings.smtp_user,
        settings.smtp_password_file,
    )  # fmt: skip
