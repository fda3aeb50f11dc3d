"""Receivers of notifications: an HTTP server and an SMTP server with STARTTLS, on free ports, which keep what comes."""

import asyncio
import base64
import datetime
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class HttpReceiver:
    """Keeps each POST; answers the statuses of ``answers``, one after the other, and then 200."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]


@contextmanager
def http_receiver(*answers: int) -> Iterator[HttpReceiver]:
    kept = HttpReceiver(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.answers.pop(0) if kept.answers else 200
            kept.paths.append(self.path)
            kept.headers.append(dict(self.headers.items()))
            kept.bodies.append(body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", kept.url("/redirected"))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, name="receiver")
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class SmtpReceiver:
    """Keeps each letter with its envelope, and the passwords that came; ``certificate`` is a PEM file to trust."""

    port: int = 0
    certificate: Path = Path()
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    commands_in_clear: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext) -> None:
        encrypted = False

        async def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())
            await writer.drain()

        await say("220 receiver")
        while line := (await reader.readline()).decode().strip():
            verb = line.split()[0].upper()
            if not encrypted:
                self.commands_in_clear.append(verb)
            if verb == "EHLO":
                await say(*(("250-receiver", "250 AUTH PLAIN") if encrypted else ("250-receiver", "250 STARTTLS")))
            elif verb == "STARTTLS":
                await say("220 go ahead")
                try:
                    await writer.start_tls(tls)
                except (ssl.SSLError, ConnectionError):  # the client does not trust the certificate
                    return
                encrypted = True
            elif verb == "AUTH":
                self.passwords.append(base64.b64decode(line.split()[2]).split(b"\0")[2].decode())
                await say("235 welcome")
            elif verb == "DATA":
                await say("354 go on")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.letters.append(message_from_bytes(text[:-3], policy=policy.default))
                await say("250 kept")
            else:
                if verb == "RCPT":
                    self.recipients.append(line.partition("<")[2].partition(">")[0])
                await say("221 bye" if verb == "QUIT" else "250 fine")
        writer.close()


@contextmanager
def smtp_receiver(folder: Path) -> Iterator[SmtpReceiver]:
    kept = SmtpReceiver(certificate=folder / "receiver.pem")
    _write_certificate(kept.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(kept.certificate)
    started, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def work() -> None:
        async with await asyncio.start_server(lambda r, w: kept.serve(r, w, tls), "127.0.0.1", 0) as server:
            kept.port = server.sockets[0].getsockname()[1]
            started.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(work(),), name="smtp-receiver")
    thread.start()
    try:
        assert started.wait(10)
        yield kept
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def _write_certificate(file: Path) -> None:
    """Write a key and a certificate of 127.0.0.1 that signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    file.write_bytes(secret + certificate)
