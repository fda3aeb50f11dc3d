"""Host names and IP addresses, for clients and the web side: how a URL has them, which only this machine reaches."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~@:+=-]+)+", re.ASCII)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def format_address(host: str, port: int) -> str:
    """Return host and port as a URL has them: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``; raises ValueError."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or default_port
    except ValueError:
        host, port = None, 0
    if not host or parts.path or parts.query or parts.fragment or parts.username is not None or not text.isprintable():
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host, port


def is_ip_address(host: str) -> bool:
    """Return whether ``host`` is an address of IPv4 or IPv6 rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach ``host``; an address of IPv6 may have its brackets."""
    address = host.strip("[]")
    return host.lower() == "localhost" or (is_ip_address(address) and ipaddress.ip_address(address).is_loopback)


def check_root_path(text: str) -> str:
    """Return a path that may stand before all paths of a site, without a slash at its end; raises ValueError."""
    path = text.strip().rstrip("/")
    if path and (not ROOT_PATH.fullmatch(path) or {".", ".."} & set(path.split("/"))):
        raise ValueError("must be a path as /meadow, of letters, digits and . _ ~ @ : + = -")
    return path


def check_public_url(text: str) -> str:
    """Return the address of a site, without a slash at its end; raises ValueError."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
        is_valid = is_valid and not (parts.query or parts.fragment) and parts.path == check_root_path(parts.path)
        _ = parts.port
    except ValueError:
        is_valid = False
    if url and not is_valid:
        raise ValueError("must be an address that begins with https://, without a query")
    return url


def check_networks(text: str) -> str:
    """Return addresses and networks that commas separate; raises ValueError."""
    parse_networks(text)
    return text


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of addresses and networks that commas separate; raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_within(host: str, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of some networks, also an IPv4 address that a socket for both has as IPv6."""
    if not networks or not is_ip_address(address := host.removeprefix("::ffff:")):
        return False
    return any(ipaddress.ip_address(address) in network for network in networks)


def network_of(host: str) -> str:
    """Return whose address it is: the /64 of an IPv6 address, of which one host has all; empty if it is none.

    An IPv4 address counts as itself also where a socket for both has it as IPv6.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is None and address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(mapped or address)
