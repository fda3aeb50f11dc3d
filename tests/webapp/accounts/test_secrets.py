"""Where secrets of every kind stand: nowhere but with who they belong to, and where docs/security.md says."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.http import LOCAL
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider
from tests.support.people import PASSWORD, cookie_in, sign_in
from tests.support.processes import ROOT, Meadow, make_meadow, wait_until
from tests.support.receivers import HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver
from tests.support.routes import filled
from tests.support.secrets import assert_absent, command_lines, texts_below
from webapp.commands.certificates import main as certs
from webapp.routes.policy import POLICY

WRONG, LATER, OF_SMTP = "wrong horse battery", "another horse battery", "s3cret of the mail"
CHANNELS = {"path of a webhook": "pathT0KEN", "key of a webhook": "keyT0KEN", "token of ntfy": "ntfyT0KEN"}
"""They are in the database in clear, because Meadow needs them to send."""
KEY_LINE = re.compile(r"PRIVATE KEY-----\n(.{64})")


@dataclass
class Lab:
    """A dashboard with everything that has a secret, and what a test collects: secrets by name, texts by place."""

    meadow: Meadow
    provider: OpenIdProvider
    hooks: HttpReceiver
    mail: SmtpReceiver
    secrets: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def browser(self, **headers: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.meadow.url, headers=headers, timeout=20, **LOCAL) as http:
            yield http


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        provider, hooks = stack.enter_context(openid_provider()), stack.enter_context(http_receiver())
        mail = stack.enter_context(smtp_receiver(folder))
        for name, text in (("smtp", OF_SMTP), ("openid", SECRET)):
            (folder / name).write_text(f"{text}\n")
        meadow = make_meadow(
            folder, "--host", "0.0.0.0", "--log-level", "debug", "--tls", "flower", "--admission", "code",
            "--allow-private-webhooks", "--smtp-host", "127.0.0.1", "--smtp-port", str(mail.port), "--smtp-user", "me",
            "--smtp-from", "meadow@lab.example", "--smtp-password-file", str(folder / "smtp"),
            "--openid-issuer", provider.issuer, "--openid-client-id", CLIENT, "--openid-client-secret-file",
            str(folder / "openid"), "--openid-roles", "lab-admins=admin",
        )  # fmt: skip
        meadow.environment["SSL_CERT_FILE"] = str(mail.certificate)
        stack.callback(meadow.kill)
        yield Lab(meadow, provider, hooks, mail)


def users_add(data_dir: Path, name: str, *more: str) -> str:
    """Add an account by the command, its password on standard input; return the process list in the middle of it."""
    command = [sys.executable, "-m", "webapp", "users", "add", name, *more, "--data-dir", str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(f"{PASSWORD}\n")
        process.stdin.flush()
        wait_until(Path(f"/proc/{process.pid}/cmdline").read_bytes, what="the command line, a moment after the start")
        seen = command_lines()
        process.stdin.close()
        assert process.wait(60) == 0
    assert f"users add {name}" in seen
    return seen


def sign_in_twice(lab: Lab) -> str:
    """Sign in, fail to, change the password; return the Cookie header of the last session."""
    with lab.browser() as http:
        assert sign_in(http, "ada", WRONG).status_code == 401
        first = cookie_in(sign_in(http, "ada"))
        form = {"old_password": PASSWORD, "password": LATER, "again": LATER}
        second = cookie_in(http.post("/account/password", data=form, headers={"Cookie": first}))
        lab.places["refused login"] = sign_in(http, "ada", WRONG).text
    for name, cookie in (("first session id", first), ("session id", second)):
        lab.secrets[name] = cookie.partition("=")[2]
    return second


def sign_in_at_the_provider(lab: Lab) -> None:
    with lab.browser() as http:
        leaving = http.get("/login/openid")
        back = lab.provider.visit(leaving.headers["location"])
        cookie = leaving.headers["set-cookie"].split(";")[0]
        answer = http.get(back, headers={"Cookie": cookie})
        assert answer.status_code == 303, answer.text
    state, code = re.findall(r"(?:state|code)=([^&]+)", back)
    lab.secrets |= {"state of a sign-in": state, "code of a sign-in": code,
                    "session id of OpenID": answer.headers["set-cookie"].split("__Host-meadow=")[1].split(";")[0],
                    "cookie of a sign-in": cookie.partition("=")[2]}  # fmt: skip


def make_token(lab: Lab, http: httpx.Client) -> None:
    token = lab.secrets["token"] = http.post("/api/tokens", json={"name": "ci"}).json()["token"]
    with lab.browser() as other:
        assert other.get("/api/me", params={"token": token}).status_code == 401
        assert other.get("/api/me", headers={"Authorization": f"Bearer {token}"}).json()["role"] == "viewer"


def use_channels(lab: Lab, http: httpx.Client) -> None:
    for kind, address, secret in (
        ("webhook", lab.hooks.url(f"/{CHANNELS['path of a webhook']}"), CHANNELS["key of a webhook"]),
        ("ntfy", lab.hooks.url("/topic"), CHANNELS["token of ntfy"]), ("email", "a@lab.example", ""),
    ):  # fmt: skip
        body: dict[str, Any] = {"name": kind, "kind": kind, "address": address, "secret": secret}
        made = http.post("/api/notifications/channels", json=body | {"events": ["run_failed"]})
        assert http.post(f"/api/notifications/channels/{made.json()['id']}/test").status_code == 202
    wait_until(lambda: len(lab.hooks.bodies) == 2 and lab.mail.passwords == [OF_SMTP], 30)


@contextmanager
def client_with_code(lab: Lab, http: httpx.Client, folder: Path) -> Iterator[None]:
    """Run a client that reads its join code from standard input, until the end of the block."""
    made = http.post("/api/join-codes", json={"name": "site-a"}).json()
    lab.secrets["join code"] = made["code"]
    arguments = ["--join", "-", "--identity", str(folder / "key.json"), "--app", "tests.support.numpy_app:app"]
    with (folder / "client.log").open("wb") as log, subprocess.Popen(
        [sys.executable, "-m", "federation.client", *arguments, "--end-with-stdin"], cwd=ROOT, stdin=subprocess.PIPE,
        stdout=log, stderr=log,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(f"{made['code']}\n".encode())
        process.stdin.flush()
        wait_until(lambda: http.get("/api/clients").json()["items"], 60, "the client")
        yield
        process.stdin.close()
        assert process.wait(20) == 0
    lab.places["log of the client"] = (folder / "client.log").read_text()
    (lab.secrets["private key of the client"],) = KEY_LINE.findall(
        json.loads((folder / "key.json").read_text())["private_key"]
    )


def read_every_page(lab: Lab, http: httpx.Client) -> None:
    for method, path in POLICY:
        if method == "GET" and not path.endswith("/events") and not path.startswith("/static"):
            lab.places[path] = http.get(filled(path)).text
    assert len(lab.places) > 50


def test_no_secret_of_any_kind_is_in_a_log_a_file_a_page_or_the_process_list(tmp_path: Path) -> None:
    with lab(tmp_path) as at:
        data_dir = at.meadow.data_dir
        at.places["processes"] = users_add(data_dir, "ada", "--role", "admin")
        assert certs(["--data-dir", str(data_dir)]) == 0
        at.meadow.start()
        with at.browser(Cookie=sign_in_twice(at)) as http, client_with_code(at, http, tmp_path):
            make_token(at, http)
            use_channels(at, http)
            sign_in_at_the_provider(at)
            read_every_page(at, http)
            at.places["processes of dashboard and client"] = command_lines()
        stored = texts_below(data_dir)  # with the write-ahead log of a database in use
        assert at.meadow.interrupt() == 0
        stored |= texts_below(data_dir)
    keys = {name: stored.pop(name) for name in list(stored) if "/tls/" in name or name.endswith("/fab-key.pem")}
    for name, text in keys.items():
        at.secrets |= {f"{name} {number}": line for number, line in enumerate(KEY_LINE.findall(text))}
    at.places["log"] = at.meadow.output  # where an address was logged, it would be without its query
    at.secrets |= {"password": PASSWORD, "wrong password": WRONG, "later password": LATER, "SMTP": OF_SMTP,
                   "client secret of OpenID": SECRET}  # fmt: skip
    assert len(at.secrets) >= 15
    assert_absent(at.secrets, at.places | stored)
    assert_absent(CHANNELS, at.places | {name: text for name, text in stored.items() if "meadow.db" not in name})
