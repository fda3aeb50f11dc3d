"""Sends e-mail by the SMTP server of the settings, with a deadline for the whole conversation."""

import contextlib
import smtplib
import socket
import ssl
import threading
from concurrent.futures import Future
from email.message import EmailMessage
from email.utils import formatdate
from functools import partial

from webapp.operations.notifications.webhooks import NotDelivered
from webapp.settings import MAILBOX, Settings

STEP_SECONDS, DEADLINE_SECONDS = 10.0, 30.0
MAX_RECIPIENTS = 20


def parse_recipients(text: str) -> list[str]:
    """Return the e-mail addresses of a text with commas between them; raises ValueError with a sentence."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not 1 <= len(found) <= MAX_RECIPIENTS:
        raise ValueError(f"needs 1 to {MAX_RECIPIENTS} e-mail addresses, separated by commas")
    if wrong := next((one for one in found if not MAILBOX.fullmatch(one)), None):
        raise ValueError(f"{wrong[:100]!r} is not an e-mail address")
    return found


class Mailer:
    """Sends plain texts, one after the other; without a server in the settings, nothing can be sent.

    The password is read from its file for each e-mail.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None

    def send(self, recipients: list[str], subject: str, text: str, delivery_id: str) -> str:
        """Return what the server said; raises NotDelivered. Headers never hold a line break: ``email`` refuses them."""
        settings = self._settings
        if not settings.smtp_host:
            raise NotDelivered("no SMTP server is set: --smtp-host")
        if self._thread is not None and self._thread.is_alive():
            raise NotDelivered("the SMTP server still holds the e-mail before this one")
        letter = EmailMessage()
        letter["From"] = settings.smtp_from or f"meadow@{settings.smtp_host}"
        letter["To"], letter["Subject"] = ", ".join(recipients), subject
        letter["Date"], letter["Message-ID"] = formatdate(), f"<{delivery_id}@meadow>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text)
        ended = Future[str]()
        self._thread = threading.Thread(target=_run, args=(ended, settings, letter), name="smtp", daemon=True)
        self._thread.start()
        try:
            return ended.result(DEADLINE_SECONDS)
        except ssl.SSLError as error:
            raise NotDelivered(f"the TLS connection failed: {error.reason or type(error).__name__}") from error
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(f"the SMTP server answered {error.smtp_code}") from error
        except TimeoutError as error:
            raise NotDelivered("the SMTP server did not answer in time") from error
        except (OSError, ValueError, smtplib.SMTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise NotDelivered(f"the e-mail was not sent: {reason}") from error


def _run(ended: Future[str], settings: Settings, letter: EmailMessage) -> None:
    try:
        ended.set_result(_deliver(settings, letter))
    except BaseException as error:
        ended.set_exception(error)


def _deliver(settings: Settings, letter: EmailMessage) -> str:
    context, password_file = ssl.create_default_context(), settings.smtp_password_file
    connect = partial(smtplib.SMTP_SSL, context=context) if settings.smtp_security == "tls" else smtplib.SMTP
    name = socket.gethostname()
    smtp = connect(settings.smtp_host, settings.smtp_port, local_hostname=name, timeout=STEP_SECONDS)
    with contextlib.closing(smtp):
        if settings.smtp_security == "starttls":
            smtp.starttls(context=context)
        if settings.smtp_user:
            password = password_file.read_text().strip() if password_file is not None else ""
            smtp.login(settings.smtp_user, password)
        refused = smtp.send_message(letter)
        with contextlib.suppress(OSError, smtplib.SMTPException):
            smtp.quit()
    return f"accepted, but refused for {len(refused)} recipients" if refused else "accepted by the SMTP server"
