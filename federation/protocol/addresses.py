"""Host names and IP addresses, for clients and the web side: how a URL has them, which only this machine reaches."""

import ipaddress
from urllib.parse import urlsplit


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
