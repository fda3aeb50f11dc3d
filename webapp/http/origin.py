"""Where a request comes from, and whether a browser would keep the session cookie of an answer to it."""

from urllib.parse import urlsplit

from fastapi import Request

from federation.protocol.addresses import is_loopback
from webapp.settings import Settings


def client_address(request: Request) -> str:
    """Return the address of the peer, behind a trusted proxy the one that the proxy names."""
    return request.client.host if request.client else ""


def site_of(request: Request, settings: Settings) -> str:
    """Return the address of the dashboard for those outside, without a slash at its end."""
    site = urlsplit(settings.public_url or str(request.base_url))
    return f"{site.scheme}://{site.netloc}{settings.root}"


def cookie_obstacle(request: Request, settings: Settings) -> str:
    """Return why a browser would drop the session cookie, and what to do; empty where it keeps the cookie."""
    host = host_name(request.headers.get("Host", ""))
    if request.url.scheme == "https" or is_loopback(host):
        return ""
    if settings.public_url:
        return "" if host == urlsplit(settings.public_url).hostname else f"Sign in at {settings.public_url} instead."
    return (
        f"Browsers drop the session cookie of {host} because this connection is plain HTTP. Use HTTPS: make a "
        "certificate with python -m webapp certs, or set --public-url to the https:// address of a proxy in front of "
        "the dashboard. Or open the dashboard as 127.0.0.1 through an SSH tunnel."
    )


def host_name(host: str) -> str:
    """Return the name or address of a Host header in lower case, without port and brackets; empty if malformed."""
    name, bracket, _port = host.rpartition("]") if host.startswith("[") else (host.split(":")[0], "", "")
    return name.removeprefix("[").lower() if bracket or host.count(":") <= 1 else ""
