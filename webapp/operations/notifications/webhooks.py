"""Posts JSON to an address that an admin wrote: to a public one, unless the settings say otherwise.

The host is resolved once, and the connection goes to that very address: a name that means another machine a moment
later (DNS rebinding) reaches nothing. No redirect is followed, no proxy used, no cookie kept.
"""

import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

DEADLINE_SECONDS = 10.0
MAX_ADDRESS = 500
MAX_ANSWER_BYTES = 2000
NAT64 = ipaddress.ip_network("64:ff9b::/96")
PORTS = {"http": 80, "https": 443}

Resolve = Callable[..., list[tuple[Any, ...]]]


class NotDelivered(Exception):
    """The receiver did not take the notification; the sentence says why, without the address."""


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL."""

    scheme: str
    host: str
    port: int
    path: str


def parse_target(url: str) -> Target:
    """Return the parts of a URL; raises ValueError with a sentence."""
    if len(url) > MAX_ADDRESS or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"must be a URL of at most {MAX_ADDRESS} ASCII characters without blanks")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("is not a URL") from error
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("must begin with https:// or http://, and must not hold a user name or a password")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname, port or PORTS[parts.scheme], path)


def is_public(address: str) -> bool:
    """Return whether an IP address is reached over the internet; an IPv6 address that holds an IPv4 one, as that."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a webhook: HMAC-SHA256 over the timestamp, a dot, and the body; in hexadecimal."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def signed_headers(secret: str, event: str, delivery_id: str, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows that a webhook is ours, new, and perhaps there already."""
    timestamp = int(time.time())
    return {
        "X-Meadow-Event": event, "X-Meadow-Delivery": delivery_id, "X-Meadow-Timestamp": str(timestamp),
        "X-Meadow-Signature": f"sha256={sign(secret, timestamp, body)}",
    }  # fmt: skip


class Webhooks:
    """Posts to URLs. ``allow_private``: also to loopback, link-local and private addresses."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = socket.getaddrinfo) -> None:
        self._allow_private, self._resolve = allow_private, resolve

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> str:
        """Return the status that the receiver answered; raises NotDelivered."""
        target = parse_target(url)
        connection = _Pinned(target, self._address_of(target))
        timer = threading.Timer(DEADLINE_SECONDS, connection.abort)
        timer.start()
        try:
            connection.request("POST", target.path, body, {"Content-Type": "application/json",
                               "User-Agent": "Meadow", "Connection": "close", **headers})  # fmt: skip
            answer = connection.getresponse()
            answer.read(MAX_ANSWER_BYTES)
        except ssl.SSLError as error:
            raise NotDelivered(f"the TLS connection failed: {error.reason or type(error).__name__}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = "no answer in time" if connection.is_aborted or isinstance(error, TimeoutError) else ""
            reason = late or getattr(error, "strerror", None) or type(error).__name__
            raise NotDelivered(f"the request failed: {reason}") from error
        finally:
            timer.cancel()
            connection.close()
        if not 200 <= answer.status < 300:
            hint = ", redirects are not followed" if 300 <= answer.status < 400 else ""
            raise NotDelivered(f"the receiver answered {answer.status}{hint}")
        return f"answered {answer.status}"

    def _address_of(self, target: Target) -> tuple[str, int]:
        try:
            found = self._resolve(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotDelivered("the host name cannot be resolved") from error
        addresses = [str(one[4][0]) for one in found]
        if not addresses:
            raise NotDelivered("the host name cannot be resolved")
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise NotDelivered("the address is not public: --allow-private-webhooks allows it")
        return addresses[0], target.port


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was resolved already; the name counts for TLS and for the Host header."""

    def __init__(self, target: Target, address: tuple[str, int]) -> None:
        super().__init__(target.host, target.port, timeout=DEADLINE_SECONDS)
        self.default_port = PORTS[target.scheme]
        self._address = address
        self._tls = ssl.create_default_context() if target.scheme == "https" else None
        self.is_aborted = False

    def connect(self) -> None:
        """Connect, by TLS where the URL says so."""
        self.sock = socket.create_connection(self._address, self.timeout)
        if self._tls is not None:
            # without a handshake at first, so that ``abort`` can end that, too
            tls = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = tls
            tls.do_handshake()

    def abort(self) -> None:
        """End the connection at the deadline, whatever it waits for; from any thread."""
        self.is_aborted = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
