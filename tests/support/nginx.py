"""Debian's nginx with the file of ``deploy/nginx``, on free ports, in front of a dashboard."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.processes import ROOT, free_port, wait_until

EXAMPLE = ROOT / "deploy" / "nginx" / "meadow.conf"
PLACES = ("/usr/sbin", "/usr/local/sbin")
Kind = Literal["passes the path on", "removes the path", "at the root"]


def find() -> str:
    """Return the path of nginx, which Debian keeps off the PATH of users."""
    path = shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], *PLACES)))
    assert path is not None, "nginx is not installed; .ci/run installs it"
    return path


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx: the dashboard's address, by TLS, and the address for clients, without TLS."""

    url: str
    client_address: str


@contextmanager
def nginx_in_front(folder: Path, kind: Kind, dashboard: str, flower: str) -> Iterator[Nginx]:
    """Serve a dashboard through nginx until the end of the block; addresses are host:port."""
    port, client_port = free_port(), free_port()
    _make_certificate(folder)
    site = _changed(EXAMPLE.read_text(), {
        "127.0.0.1:8000": dashboard, "127.0.0.1:8080": flower, "server_name lab.example": "server_name _",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl; listen 127.0.0.1:{client_port};",
        "/etc/ssl/certs/lab.example.pem": str(folder / "cert.pem"),
        "/etc/ssl/private/lab.example.key": str(folder / "key.pem"),
    })  # fmt: skip
    if kind == "removes the path":
        site = _changed(site, {"http://meadow_dashboard;": "http://meadow_dashboard/;"})
    elif kind == "at the root":
        site = re.sub(r"location = /meadow \{.*?\}", "", site, flags=re.DOTALL)
        site = _changed(site, {"location /meadow/": "location /"})
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;"
        f"events {{}} http {{ {temporary} access_log off; {site} }}"
    )
    with subprocess.Popen([find(), "-e", folder / "error.log", "-p", folder, "-c", config]) as process:
        try:
            url = f"https://127.0.0.1:{port}"
            wait_until(lambda: _answers(url) or process.poll() is not None, what="nginx")
            assert process.poll() is None, (folder / "error.log").read_text()
            yield Nginx(url, f"127.0.0.1:{client_port}")
        finally:
            process.terminate()


def _changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"{EXAMPLE} has no {old}"
        text = text.replace(old, new)
    return text


def _answers(url: str) -> bool:
    try:
        return httpx.head(url, verify=False, trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


def _make_certificate(folder: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
