"""No spelling of an address that is not on the public internet gets past the guard."""

import ipaddress
import socket
from typing import Any

import pytest

from fanfold.errors import BadInput, Unavailable
from fanfold.net.addresses import AddressGuard, RefusedAddress, rule_against

HOSTILE = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "0:0:0:0:0:0:0:1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:7f00:1": "loopback",
    "::127.0.0.1": "loopback",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::127.0.0.1": "loopback",
    "2002:7f00:1::": "loopback",
    "2002:7f00:0001:0000::5": "loopback",
    "::ffff:0:127.0.0.1": "loopback",
    "2606:4700::5efe:7f00:1": "loopback",
    "2606:4700::200:5efe:127.0.0.1": "loopback",
    "0.0.0.0": "this network",
    "0.1.2.3": "this network",
    "::": "this network",
    "::ffff:0.0.0.0": "this network",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.0.1": "private",
    "::ffff:10.0.0.1": "private",
    "::ffff:c0a8:1": "private",
    "64:ff9b::a00:1": "private",
    "2002:c0a8:101::1": "private",
    "fc00::1": "private",
    "fd12:3456:789a::1": "private",
    "fec0::1": "private",
    "169.254.169.254": "link-local",
    "169.254.170.2": "link-local",
    "::ffff:169.254.169.254": "link-local",
    "64:ff9b::a9fe:a9fe": "link-local",
    "2002:a9fe:a9fe::": "link-local",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "fd00:ec2::254": "link-local",
    "100.100.100.200": "link-local",
    "100.64.0.1": "shared",
    "100.127.255.255": "shared",
    "::ffff:100.64.0.1": "shared",
    "192.0.0.192": "reserved",
    "192.0.2.1": "reserved",
    "192.88.99.1": "reserved",
    "198.18.0.1": "reserved",
    "198.51.100.7": "reserved",
    "203.0.113.9": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "100::1": "reserved",
    "2001::1": "reserved",
    "2001:0:7f00:1::": "reserved",
    "2001:db8::1": "reserved",
    "3fff::1": "reserved",
    "64:ff9b:1::a00:1": "reserved",
    "5f00::1": "reserved",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
}

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "198.17.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
    "2002:808:808::",
]

SPELLINGS = [
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "0X7F.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "00000177.0x0.0.01",
    "0",
    "0x0",
    "10.1",
    "0xa9fea9fe",
    "169.254.43518",
    "2852039166",
    "0251.0376.0251.0376",
    "3232235521",
    "localhost",
    "LOCALHOST",
    "::ffff:127.0.0.1",
    "0:0:0:0:0:ffff:7f00:0001",
]
"""As the C library reads them."""


@pytest.mark.parametrize(("address", "rule"), HOSTILE.items())
def test_an_address_that_is_not_public_is_forbidden_by_its_rule(address: str, rule: str) -> None:
    assert rule_against(ipaddress.ip_address(address)).startswith(rule)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert rule_against(ipaddress.ip_address(address)) == ""


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_spelling_that_the_system_resolves_is_refused_by_what_it_means(host: str) -> None:
    with pytest.raises(RefusedAddress, match="allow_private_urls"):
        AddressGuard().addresses(host, 80)


def test_one_forbidden_address_among_public_ones_refuses_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(RefusedAddress, match=r"10\.0\.0\.1, which is private"):
        AddressGuard().addresses("rebinding.test", 80)


def test_an_address_with_a_zone_is_read_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, ["fe80::1%lo"])
    with pytest.raises(RefusedAddress, match="link-local"):
        AddressGuard().addresses("zoned.test", 80)


def test_a_guard_that_allows_private_addresses_gives_them() -> None:
    assert AddressGuard(allow_private=True).addresses("127.1", 80) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["", "\0", "a\0b", "." * 300, "x" * 64 + ".test", "ａ" * 100])
def test_what_is_no_host_is_refused_in_words(host: str) -> None:
    with pytest.raises(BadInput, match=r"host"):
        AddressGuard().addresses(host, 80)


def test_a_name_service_that_does_not_answer_is_no_definite_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(Unavailable, match="could not be looked up"):
        AddressGuard().addresses("name.test", 80)


def _resolving(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    entries = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, 80, 0, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
