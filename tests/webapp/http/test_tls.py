"""A dashboard that speaks TLS: its pages, simulated clients, headers, host names, and no key in any of it."""

import contextlib
import logging
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.authority import Authority
from tests.support.dashboard import Dashboard, running
from tests.support.http import LOCAL
from tests.support.markup import get_page
from tests.support.processes import wait_until

NAME = "lab.example"
"""Of the certificate: another one than that under which the simulated clients reach the server."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secure")


@pytest.fixture(scope="module")
def secure(authority: Authority, folder: Path) -> Iterator[Dashboard]:
    context = authority.trusted()
    context.check_hostname = False
    file = authority.issue(host=NAME, days=(-1, 12))
    with running(folder, verify=context, tls_certificate=file, demo_clients=1) as made:
        yield made


def test_pages_give_a_command_that_trusts_the_server(secure: Dashboard) -> None:
    sha256 = secure.parts.tls.authority_sha256 if secure.parts.tls else None
    home = get_page(secure.http, "/clients").text
    assert (
        f"python -m federation.client --server https://{secure.flower_address} --root-certificates sha256:{sha256}"
        in home
    )


def test_a_simulated_client_joins_and_a_renewed_certificate_is_used_without_a_restart(
    secure: Dashboard, authority: Authority, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = get_page(secure.http, "/server").text
    assert re.search(r"The TLS certificate expires on [\d-]+, in 1[12] days\. Renew it", page)
    assert secure.http.post("/api/demo-clients", json={"count": 1, "dataset": "synthetic"}).status_code == 202
    secure.wait_for_clients(1)
    first = authority.issue(host=NAME).read_text()
    wait_until(lambda: "expires on" not in get_page(secure.http, "/server").text)
    (bad := Path(folder.parent) / "bad").write_text("no certificate")
    bad.replace(server := next(authority.file.parent.glob("server.pem")))
    wait_until(lambda: "The renewed TLS certificate is not used" in get_page(secure.http, "/server").text)
    assert secure.http.delete("/api/demo-clients/1").status_code in (200, 202, 204)
    server.write_text(first)
    keys = re.findall(r"-----BEGIN PRIVATE KEY-----\n(.{40})", first)
    kept = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    assert keys and not [key for key in keys if key in caplog.text or any(key.encode() in one for one in kept)]


def test_hosts_of_the_certificate_are_allowed_and_others_are_not(secure: Dashboard) -> None:
    port = secure.http.base_url.port
    statuses = [
        secure.http.get("/healthz", headers={"host": f"{host}:{port}"}).status_code for host in (NAME, "evil.example")
    ]
    assert statuses == [200, 400]


@pytest.mark.parametrize(("host", "told"), [(NAME, True), (f"{NAME}:8000", False), ("127.0.0.1", False)])
def test_browsers_are_told_to_keep_to_tls_where_the_dashboard_has_the_name_for_itself(
    secure: Dashboard, host: str, told: bool
) -> None:
    answer = secure.http.get("/healthz", headers={"host": host})
    assert ("strict-transport-security" in answer.headers) is told


def test_the_port_of_the_dashboard_answers_plaintext_with_its_reason(secure: Dashboard) -> None:
    answer = httpx.get(f"http://127.0.0.1:{secure.http.base_url.port}/", **LOCAL)
    assert answer.status_code == 426 and "https://" in answer.text


def test_old_versions_of_tls_are_refused(secure: Dashboard) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with contextlib.closing(httpx.Client(verify=old, trust_env=False)) as client, pytest.raises(httpx.ConnectError):
        client.get(f"https://127.0.0.1:{secure.http.base_url.port}/")
