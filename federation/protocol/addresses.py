"""Host names and IP addresses, for clients and the web side: how a URL has them, which only this machine reaches."""

import ipaddress


def format_address(host: str, port: int) -> str:
    """Return host and port as a URL has them: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
