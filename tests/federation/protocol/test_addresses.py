"""Addresses as command lines and URLs have them, and which of them stay on this machine."""

import pytest

from federation.protocol.addresses import format_address, is_ip_address, is_loopback, network_of
from federation.protocol.connection_limit import ConnectionBounds, ConnectionLimit


@pytest.mark.parametrize(("host", "text"), [
    ("10.0.0.7", "10.0.0.7:8080"), ("meadow.example", "meadow.example:8080"), ("::1", "[::1]:8080"),
])  # fmt: skip
def test_an_address_of_ipv6_stands_in_brackets(host: str, text: str) -> None:
    assert format_address(host, 8080) == text


@pytest.mark.parametrize(("host", "stays"), [
    ("localhost", True), ("LOCALHOST", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True),
    ("0.0.0.0", False), ("::", False), ("10.0.0.7", False), ("localhost.example", False), ("", False),
])  # fmt: skip
def test_only_the_machines_own_addresses_are_loopback(host: str, stays: bool) -> None:
    assert is_loopback(host) == stays


def test_a_name_is_no_ip_address() -> None:
    assert [is_ip_address(host) for host in ("127.0.0.1", "::", "localhost", "[::1]")] == [True, True, False, False]


@pytest.mark.parametrize(("host", "network"), [
    ("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"),
    ("fe80::1%eth0", "fe80::/64"), ("", ""), ("proxy.example", ""),
])  # fmt: skip
def test_all_addresses_of_an_ipv6_network_are_one(host: str, network: str) -> None:
    assert network_of(host) == network


def test_a_port_for_ipv4_and_ipv6_counts_each_ipv4_address_for_itself() -> None:
    limit = ConnectionLimit(ConnectionBounds(total=9, per_address=1), "port")
    hosts = ("::ffff:10.0.0.1", "::ffff:10.0.0.2", "2001:db8::1", "fe80::1%eth0", "::ffff:10.0.0.1", "2001:db8::2")
    assert [limit.enter(host) is not None for host in hosts] == [True, True, True, True, False, False]
