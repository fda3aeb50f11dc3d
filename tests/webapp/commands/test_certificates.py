"""``python -m webapp certs``: files, names, renewal; and what a dashboard does with certificates that it finds."""

import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from federation.protocol.tls.certificates import CertificateUnusable, ServerTls
from tests.conftest import StartClient
from tests.support.authority import Authority
from tests.support.books import Books
from tests.support.dashboard import Api
from tests.support.engine import Engine
from tests.support.http import LOCAL
from tests.support.processes import make_meadow, refused, wait_until
from webapp.certificates import server_tls
from webapp.commands.certificates import main
from webapp.db.instance_lock import InstanceLock
from webapp.operations.metrics.readiness import reasons_not_ready
from webapp.settings import Settings


@pytest.fixture(autouse=True)
def private_files() -> None:
    os.umask(0o077)


def made(folder: Path) -> ServerTls:
    tls = server_tls(Settings(data_dir=folder))
    assert tls is not None
    return tls


def test_certificates_are_made_for_the_names_and_kept_from_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data-dir", str(tmp_path), "--host-name", "Lab.example", "--host-name", "10.0.4.12"]) == 0
    said, tls = capsys.readouterr().out, made(tmp_path)
    assert tls.certificate.names == {"lab.example", "10.0.4.12", "localhost", "127.0.0.1", "::1"}
    assert f"sha256:{tls.authority_sha256}" in said and "lab.example, 10.0.4.12" in said
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "tls").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert timedelta(days=390) < tls.certificate.expires - datetime.now(UTC) < timedelta(days=398)


def test_again_it_renews_the_certificate_with_the_same_ca(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(tmp_path), "--host-name", "lab.example"]) == 0
    before = made(tmp_path)
    assert main(["--data-dir", str(tmp_path)]) == 0
    after = made(tmp_path)
    assert before.authority_pem == after.authority_pem and before.certificate.leaf != after.certificate.leaf
    assert before.certificate.names < after.certificate.names, "what it was for, it is for"
    assert "as before" in capsys.readouterr().out


def test_an_expired_certificate_is_a_reason_not_to_be_ready(tmp_path: Path, books: Books, engine: Engine) -> None:
    authority = Authority(tmp_path)

    def reasons(tls: ServerTls) -> list[str]:
        return list(reasons_not_ready(books.database, engine.server, InstanceLock(), tmp_path, tls))

    assert reasons(ServerTls(authority.issue(days=(-1, 1)))) == []
    ends_soon = ServerTls(authority.issue(days=(-1, 3 / 86_400)))
    expired = ["The TLS certificate has expired: clients and browsers refuse it."]
    wait_until(lambda: reasons(ends_soon) == expired)


@pytest.mark.parametrize("name", ["lab.example:8000", "https://lab", "", "a b"])
def test_what_is_no_host_name_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(tmp_path), "--host-name", name]) == 2
    assert "--host-name" in capsys.readouterr().err and not (tmp_path / "tls").exists()


def test_a_ca_whose_key_is_gone_or_another_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(tmp_path)]) == 0
    key = tmp_path / "tls" / "ca-key.pem"
    for spoil in (key.unlink, lambda: key.write_bytes((tmp_path / "tls" / "server.pem").read_bytes())):
        spoil()
        assert main(["--data-dir", str(tmp_path)]) == 1
        assert "ca-key.pem: " in capsys.readouterr().err


def test_files_that_cannot_be_used_are_refused_with_a_sentence(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good, other = authority.issue("good.pem"), authority.issue("other.pem")
    bare = tmp_path / "bare.pem"
    bare.write_bytes(authority.file.read_bytes())
    cases = {
        "good.pem: ": (tmp_path / "no" / "good.pem", None, "no such file"),
        "expired": (authority.issue("expired.pem", days=(-9, -2)), None, "the certificate expired on "),
        "early": (authority.issue("early.pem", days=(2, 9)), None, "is valid from .* on"),
        "another key": (good, other, "other.pem: the key does not belong to the certificate in .*good.pem"),
        "no key": (bare, None, "holds no private key"),
        "no certificate": (Path(__file__), None, "holds no certificate"),
        "a folder": (tmp_path, None, "is a directory"),
    }
    for certificate, key, sentence in cases.values():
        with pytest.raises(CertificateUnusable, match=sentence):
            server_tls(Settings(tls_certificate=certificate, tls_key=key))
    with pytest.raises(CertificateUnusable, match="--tls-key needs --tls-certificate"):
        server_tls(Settings(tls_key=good))
    with pytest.raises(CertificateUnusable, match="python -m webapp certs makes one"):
        server_tls(Settings(tls="flower", data_dir=tmp_path))
    with pytest.raises(CertificateUnusable, match=r"none\.pem: no such file"):
        server_tls(Settings(proxy_certificates=tmp_path / "none.pem"))
    assert server_tls(Settings(tls="off", tls_certificate=Path("nothing"))) is None


def test_a_key_with_a_password_is_refused_and_asks_for_none(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    authority = Authority(tmp_path)
    file = authority.issue()
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    encryption = serialization.BestAvailableEncryption(b"open sesame")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    with pytest.raises(CertificateUnusable, match="the key is encrypted"):
        ServerTls(file, locked)


def test_a_chain_without_its_own_ca_tells_no_fingerprint(tmp_path: Path) -> None:
    file = Authority(tmp_path).issue()
    leaf = x509.load_pem_x509_certificates(file.read_bytes())[0]
    from tests.support.authority import PEM

    key = file.read_text().split("-----BEGIN CERTIFICATE")[0]
    file.write_text(key + leaf.public_bytes(PEM).decode())
    tls = ServerTls(file)
    assert (tls.authority_sha256, tls.authority_pem) == (None, None)


def test_a_dashboard_with_a_bad_certificate_does_not_start(tmp_path: Path) -> None:
    ended = refused(tmp_path, "--data-dir", str(tmp_path / "data"), "--tls-certificate", str(tmp_path / "none.pem"))
    assert ended.running.returncode == 2
    assert "none.pem: no such file or directory" in ended.output and "Traceback" not in ended.output


def test_a_client_trains_over_tls_with_nothing_but_the_fingerprint(
    tmp_path: Path, client: StartClient, capsys: pytest.CaptureFixture[str]
) -> None:
    meadow = make_meadow(tmp_path, "--tls", "flower", preloaded=True)
    assert main(["--data-dir", str(meadow.data_dir)]) == 0
    (fingerprint,) = set(re.findall(r"sha256:[0-9a-f]{64}", capsys.readouterr().out))
    try:
        meadow.start()
        server = f"https://{meadow.flower_address}"
        process = client(server, "site-a", "--root-certificates", fingerprint, "--dataset", "synthetic")
        with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http:
            api = Api(http)
            api.wait_for_clients(1)
            run_id = api.start_run(num_rounds=2, min_clients=1, synthetic_parameters=1_000_000)
            api.wait_for_state(run_id, "completed", timeout=60)
        assert process.interrupt() == 0
    finally:
        meadow.kill()
    secret = re.findall(r"BEGIN PRIVATE KEY-----\n(.{40})", (meadow.data_dir / "tls" / "server.pem").read_text())
    assert secret and not [key for key in secret if key in meadow.output + process.output]
