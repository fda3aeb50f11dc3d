"""What is sent, where to, how often: real HTTP and SMTP servers get it."""

import hashlib
import hmac
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from federation.run.events import Blocked, ClientChanged
from federation.run.states import RunState
from tests.support.books import Books
from tests.support.processes import wait_until
from tests.support.receivers import http_receiver, smtp_receiver
from webapp.db.repository.rows import change_row
from webapp.db.repository.runs import set_values
from webapp.db.tables import NotificationDelivery
from webapp.operations.clients import Clients
from webapp.operations.event_hub import EventHub
from webapp.operations.notifications.channels import Channels
from webapp.operations.notifications.mail import Mailer
from webapp.operations.notifications.messages import ChannelKind, Occasion
from webapp.operations.notifications.outbox import Outbox
from webapp.operations.notifications.sender import Sender
from webapp.operations.notifications.views import DeliveryView
from webapp.operations.notifications.webhooks import NotDelivered, Webhooks, is_public, parse_target
from webapp.settings import Settings

FORGED = "x\r\nBcc: all@evil.example\r\n\r\n<!channel> [link](http://evil.example) \x1b[31m"
ALL = [one for one in Occasion if one is not Occasion.TEST]
EVERYTHING = {"events": ALL, "target_metric": "evaluate_accuracy", "target_value": 0.5}


def _smtp(port: int, password_file: Path) -> Settings:
    return Settings(
        smtp_host="127.0.0.1", smtp_port=port, smtp_security="starttls", smtp_from="meadow@lab.example",
        smtp_user="me", smtp_password_file=password_file,
    )  # fmt: skip


class Post:
    """Channels over a database, and senders that can be ended and started again, as processes are."""

    def __init__(self, books: Books, **sender: Any) -> None:
        self.outbox = Outbox("https://meadow.example")
        self.channels = Channels(books.database, self.outbox)
        books.database.before_commit = self.outbox.add
        self._books = books
        self._given: dict[str, Any] = {"online_ids": set, "wait_seconds": 600, "delays": (0.0, 0.0)} | sender

    def add(self, kind: ChannelKind, address: str, **given: Any) -> int:
        given = {"secret": "", "events": [Occasion.RUN_FINISHED, Occasion.RUN_FAILED]} | given
        return self.channels.add("lab", kind, address, **given)[0].id

    @contextmanager
    def sending(self, mailer: Mailer | None = None, *, allow_private: bool = True) -> Iterator[None]:
        webhooks = Webhooks(allow_private=allow_private)
        sender = Sender(self._books.database, self.outbox, webhooks, mailer or Mailer(Settings()), **self._given)
        sender.start()
        try:
            yield
        finally:
            sender.stop(10)

    def last(self) -> DeliveryView:
        return self.channels.deliveries()[0]

    def wait_for(self, state: str) -> DeliveryView:
        wait_until(lambda: bool(self.channels.deliveries()) and self.last().state == state, what=state)
        return self.last()


def test_a_signed_webhook_tells_that_a_run_has_ended_once_whatever_crashes(books: Books) -> None:
    post = Post(books)
    with http_receiver(500, 302) as receiver:
        channel = post.add("webhook", receiver.url(), secret="k3y")
        run_id = books.start_run(num_rounds=1, name="digits")
        books.play_round(run_id, 1, [])
        assert books.runs.move(run_id, RunState.COMPLETED)
        assert post.last().state == "queued", "it is stored with the event, before anything is sent"
        with post.sending():
            done = post.wait_for("sent")
        with post.sending():  # another process
            post.channels.test(channel)
            wait_until(lambda: len(receiver.bodies) == 4)
    assert (done.tries, done.outcome) == (3, "answered 200")
    assert receiver.paths == ["/hook"] * 4, "no redirect is followed"
    first, second, third, test = receiver.messages()
    assert first == second == third, "a repetition has the same id"
    assert (third["id"], third["event"], third["run_id"]) == (done.delivery_id, "run_finished", run_id)
    assert third["title"] == f"Run {run_id} (digits) is completed"
    assert third["link"] == f"https://meadow.example/runs/{run_id}"
    assert test["event"] == "test"
    headers = receiver.headers[2]
    signed = f"{headers['X-Meadow-Timestamp']}.".encode() + receiver.bodies[2]
    expected = hmac.new(b"k3y", signed, hashlib.sha256).hexdigest()
    assert headers["X-Meadow-Signature"] == f"sha256={expected}"
    assert headers["X-Meadow-Delivery"] == done.delivery_id


def test_a_clock_that_is_set_back_holds_no_notification_up(books: Books) -> None:
    post = Post(books)
    with http_receiver() as receiver:
        post.channels.test(post.add("webhook", receiver.url()))
        with books.database.write() as session:
            next_year = datetime.now(UTC) + timedelta(days=365)
            change_row(session, NotificationDelivery, post.last().id, next_try_at=next_year)
        with post.sending():
            assert post.wait_for("sent").tries == 1


def test_nothing_is_queued_for_a_channel_once_its_removal_is_stored(books: Books) -> None:
    """The transaction of an event that comes then would fail with the notification, and a round be lost."""
    post, is_used = Post(books), list[bool]()
    channel = post.add("webhook", "http://127.0.0.1:9/x")

    def look(_session: Session) -> None:
        is_used.append(post.outbox.is_used)

    event.listen(Session, "after_commit", look)
    try:
        post.channels.remove(channel)
    finally:
        event.remove(Session, "after_commit", look)
    assert is_used == [False]


def test_it_gives_up_after_a_bounded_number_of_tries_and_says_why(books: Books) -> None:
    post = Post(books)
    with http_receiver(*[503] * 9) as receiver:
        post.channels.test(post.add("webhook", receiver.url()))
        with post.sending():
            done = post.wait_for("failed")
    assert (done.tries, done.outcome, done.next_try_at) == (3, "the receiver answered 503", None)
    assert len(receiver.bodies) == 3


def test_names_forge_nothing_in_any_format(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    post = Post(books)
    (tmp_path / "password").write_text("s3cret\n")
    with http_receiver() as receiver, smtp_receiver(tmp_path) as mail:
        monkeypatch.setenv("SSL_CERT_FILE", str(mail.certificate))
        post.add("slack", receiver.url("/slack"))
        post.add("teams", receiver.url("/teams"))
        post.add("ntfy", receiver.url("/topic1"), secret="t0ken")
        post.add("email", "a@lab.example, b@lab.example")
        run_id = books.start_run(num_rounds=1)
        with books.database.write() as session:
            set_values(session, run_id, name=FORGED)
        assert books.runs.move(run_id, RunState.COMPLETED)
        server = _smtp(mail.port, tmp_path / "password")
        with post.sending(Mailer(server)):
            wait_until(lambda: {one.state for one in post.channels.deliveries()} == {"sent"})
    slack, teams, ntfy = receiver.messages()
    assert receiver.paths == ["/slack", "/teams", "/"]
    assert "&lt;!channel&gt;" in slack["text"] and "<!channel>" not in slack["text"]
    card = teams["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard" and "\\[link\\]\\(" in card["body"][0]["text"]
    assert ntfy["topic"] == "topic1" and ntfy["title"].isprintable()
    assert receiver.headers[2]["Authorization"] == "Bearer t0ken"
    (letter,) = mail.letters
    assert letter["Bcc"] is None and "Bcc: all@evil.example" in letter["Subject"]
    assert (letter["To"], mail.recipients) == ("a@lab.example, b@lab.example", ["a@lab.example", "b@lab.example"])
    assert mail.passwords == ["s3cret"] and set(mail.commands_in_clear) == {"EHLO", "STARTTLS"}


def test_an_smtp_server_without_a_trusted_certificate_gets_no_password(books: Books, tmp_path: Path) -> None:
    with smtp_receiver(tmp_path) as mail:
        (tmp_path / "password").write_text("s3cret")
        server = _smtp(mail.port, tmp_path / "password")
        with pytest.raises(NotDelivered, match="TLS connection failed"):
            Mailer(server).send(["a@lab.example"], "x", "y", "1")
    assert mail.passwords == [] and mail.letters == []


def test_channels_are_told_of_lost_clients_long_waits_and_targets_once(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    post, clients = Post(books, wait_seconds=-1), Clients(books.database, EventHub())
    with http_receiver() as receiver:
        post.add("webhook", receiver.url(), **EVERYTHING)
        run_id = books.start_run(num_rounds=5)
        books.runs.record(Blocked(run_id, "quorum", "1 of 2 clients"))
        with post.sending():
            wait_until(lambda: len(receiver.bodies) == 1)
            books.play_round(run_id, 1, [a, b], accuracy=0.4)
            books.play_round(run_id, 2, [a, b], accuracy=0.6)
            books.play_round(run_id, 3, [a, b], accuracy=0.7)
            wait_until(lambda: len(receiver.bodies) == 2)
            for _ in range(3):
                clients.handle_event(ClientChanged(a, online=False, reason="connection lost"))
            clients.handle_event(ClientChanged(b, online=False, reason="ended on request"))
        lost = [one for one in post.channels.deliveries() if one.event is Occasion.CLIENT_LOST]
    waits, target = receiver.messages()
    assert (waits["event"], waits["text"]) == ("run_waiting", "1 of 2 clients.")
    assert target["text"] == "evaluate_accuracy is 0.6 after round 2, the target is 0.5."
    assert [one.title for one in lost] == ["Client site-a is offline"], "one of a client that comes and goes"
    assert lost[0].state == "queued" and lost[0].next_try_at is not None


PRIVATE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
    "2002:7f00:1::",
)  # fmt: skip


def test_private_addresses_are_refused_in_every_spelling() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
    assert is_public("93.184.215.14") and is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    webhooks = Webhooks(allow_private=False)
    with http_receiver() as receiver:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"):
            with pytest.raises(NotDelivered, match="not public"):
                webhooks.post(f"http://{host}:{receiver.port}/", b"{}", {})
    assert receiver.bodies == []


def test_a_name_is_resolved_once_and_mixed_answers_are_refused() -> None:
    asked: list[str] = []
    answers = [["93.184.215.14", "127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]]

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers.pop(0)]

    with http_receiver() as receiver:
        url = f"http://rebinding.example:{receiver.port}/hook"
        with pytest.raises(NotDelivered, match="not public"):
            Webhooks(allow_private=False, resolve=resolve).post(url, b"{}", {})
        Webhooks(allow_private=True, resolve=resolve).post(url, b"{}", {})
    assert asked == ["rebinding.example"] * 2, "the connection goes to the address that was checked"
    assert receiver.headers[0]["Host"] == f"rebinding.example:{receiver.port}"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "https://", "https://me:pw@host/", "https://host/\r\nX: y", "https://ho st/", "gopher://host",
     "https://host:99999/", "https://hóst/", "https://host/" + "a" * 500],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|begin"):
        parse_target(url)
