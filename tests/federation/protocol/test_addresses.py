"""Addresses as command lines and URLs have them, and which of them stay on this machine."""

import pytest

from federation.protocol.addresses import format_address, is_ip_address, is_loopback


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
