"""Peers behind a reverse proxy: whose headers count, and what each peer may hold open."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from federation.protocol.addresses import parse_networks
from federation.protocol.connection_limit import ConnectionBounds, ConnectionLimit
from federation.protocol.trusted_proxies import TrustedProxies

BOUNDS = ConnectionBounds(total=9, per_address=1, proxies=parse_networks("127.0.0.1, 10.0.0.0/8, ::1"))


def scope_from(peer: str, *headers: tuple[str, str], kind: str = "http") -> Scope:
    """Return what the server passes on of a request."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return {"type": kind, "client": (peer, 40_000), "scheme": "http", "headers": raw, "path": "/"}


def seen_of(scope: Scope) -> tuple[str, str]:
    """Return the address and the scheme that the app sees."""
    seen: list[tuple[str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["client"][0], scope["scheme"]))

    asyncio.run(TrustedProxies(app, BOUNDS, "port")(scope, _receive, _ignore))
    return seen[0]


async def _receive() -> Message:
    return {"type": "http.disconnect"}


async def _ignore(message: Message) -> None:
    pass


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "seen"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "198.51.100.9, 203.0.113.7, 10.2.3.4", "203.0.113.7"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "<b>\r\n", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("192.0.2.1", "203.0.113.7", "192.0.2.1"),
        ("127.0.0.2", "203.0.113.7", "127.0.0.2"),
    ],
)
def test_the_address_is_the_last_one_that_no_trusted_proxy_has(peer: str, forwarded_for: str, seen: str) -> None:
    assert seen_of(scope_from(peer, ("X-Forwarded-For", forwarded_for)))[0] == seen


@pytest.mark.parametrize(("peer", "scheme"), [("127.0.0.1", "https"), ("192.0.2.1", "http")])
def test_the_scheme_is_that_of_a_trusted_proxy(peer: str, scheme: str) -> None:
    headers = ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example")
    assert seen_of(scope_from(peer, *headers))[1] == scheme


def test_each_peer_behind_a_proxy_is_bounded_and_the_proxy_is_not() -> None:
    answers: list[tuple[str, Any]] = []

    async def play() -> None:
        is_open, go_on = asyncio.Event(), asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            is_open.set()
            await go_on.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        proxied = TrustedProxies(app, BOUNDS, "port")

        async def ask(peer: str, kind: str = "http") -> None:
            async def send(message: Message) -> None:
                if "status" in message or "code" in message:
                    answers.append((peer, message.get("status", message.get("code"))))

            await proxied(scope_from("127.0.0.1", ("X-Forwarded-For", peer), kind=kind), _receive, send)

        first = asyncio.create_task(ask("203.0.113.7"))
        await is_open.wait()
        await ask("203.0.113.7")
        await ask("203.0.113.7", "websocket")
        other = asyncio.create_task(ask("203.0.113.8"))
        go_on.set()
        await asyncio.gather(first, other)
        await ask("203.0.113.7")

    asyncio.run(play())
    busy, other = "203.0.113.7", "203.0.113.8"
    assert answers[:2] == [(busy, 503), (busy, 1013)]
    assert sorted(answers[2:4]) == [(busy, 200), (other, 200)]
    assert answers[4:] == [(busy, 200)], "its first request has ended"
    limit = ConnectionLimit(BOUNDS, "port")
    assert [limit.enter("127.0.0.1") is not None for _ in range(3)] == [True, True, True]
    assert [limit.enter("192.0.2.1") is not None for _ in range(2)] == [True, False]
