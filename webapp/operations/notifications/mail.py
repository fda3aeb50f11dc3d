"""Sends e-mail by the SMTP server of the settings, with a deadline for the whole conversation."""

import contextlib
import smtplib
import socket
import ssl
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from webapp.operations.notifications.webhooks import NotDelivered
from webapp.settings import MAILBOX, SmtpSecurity

STEP_SECONDS, DEADLINE_SECONDS = 10.0, 30.0
MAX_RECIPIENTS = 20


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """How to reach the SMTP server, and who sends; the password is read from its file for each e-mail."""

    host: str
    port: int
    security: SmtpSecurity
    sender: str
    user: str = ""
    password_file: Path | None = None


def parse_recipients(text: str) -> list[str]:
    """Return the e-mail addresses of a text with commas between them; raises ValueError with a sentence."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not 1 <= len(found) <= MAX_RECIPIENTS:
        raise ValueError(f"needs 1 to {MAX_RECIPIENTS} e-mail addresses, separated by commas")
    if wrong := next((one for one in found if not MAILBOX.fullmatch(one)), None):
        raise ValueError(f"{wrong[:100]!r} is not an e-mail address")
    return found


class Mailer:
    """Sends plain texts, one after the other; without a server, nothing can be sent."""

    def __init__(self, server: SmtpServer | None) -> None:
        self._server = server
        self._thread: threading.Thread | None = None

    def send(self, recipients: list[str], subject: str, text: str, delivery_id: str) -> str:
        """Return what the server said; raises NotDelivered. Headers never hold a line break: ``email`` refuses them."""
        server = self._server
        if server is None:
            raise NotDelivered("no SMTP server is set: --smtp-host")
        if self._thread is not None and self._thread.is_alive():
            raise NotDelivered("the SMTP server still holds the e-mail before this one")
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = server.sender, ", ".join(recipients), subject
        letter["Date"], letter["Message-ID"] = formatdate(), f"<{delivery_id}@meadow>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text)
        ended = Future[str]()
        self._thread = threading.Thread(target=_run, args=(ended, server, letter), name="smtp", daemon=True)
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


def _run(ended: Future[str], server: SmtpServer, letter: EmailMessage) -> None:
    try:
        ended.set_result(_deliver(server, letter))
    except BaseException as error:
        ended.set_exception(error)


def _deliver(server: SmtpServer, letter: EmailMessage) -> str:
    context, name = ssl.create_default_context(), socket.gethostname()
    if server.security == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=name, timeout=STEP_SECONDS, context=context
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=STEP_SECONDS)
    with contextlib.closing(smtp):
        if server.security == "starttls":
            smtp.starttls(context=context)
        if server.user:
            password = server.password_file.read_text().strip() if server.password_file is not None else ""
            smtp.login(server.user, password)
        refused = smtp.send_message(letter)
        with contextlib.suppress(OSError, smtplib.SMTPException):
            smtp.quit()
    return f"accepted, but refused for {len(refused)} recipients" if refused else "accepted by the SMTP server"
