"""Which addresses a stranger may have this server connect to: those of the public internet, and no others.

What is checked is the address itself, after the name was resolved and just before it is connected to, so no spelling
(short, octal, decimal, mapped into IPv6, a name that answers differently the second time) makes a difference.
Blocks are those of the IANA special-purpose registries (RFC 6890 and what was added since).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence

from fanfold.errors import BadInput, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_RULES: Sequence[tuple[str, Sequence[str]]] = (
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("link-local and metadata", ("169.254.0.0/16", "fe80::/10", "100.100.100.200/32", "fd00:ec2::/32")),
    ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")),
    ("shared (carrier)", ("100.64.0.0/10",)),
    ("this network", ("0.0.0.0/8", "::/128")),
    ("multicast", ("224.0.0.0/4", "ff00::/8")),
    (
        "reserved",
        (
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "64:ff9b:1::/48",
        ),
    ),
)
_BLOCKS = [(rule, ipaddress.ip_network(block)) for rule, blocks in _RULES for block in blocks]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")
_LOCATOR_OF_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


class RefusedAddress(BadInput):
    """An address that this server does not connect to for others; says by which rule."""


def rule_against(address: Address) -> str:
    """The rule that forbids an address, in words; "" for one of the public internet."""
    for inner in (address, *_inside(address)):
        for rule, block in _BLOCKS:
            if inner.version == block.version and inner in block:
                return rule
    return ""


def _inside(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for, by whatever way of writing one into the other."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    last = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address in _NAT64 or address in _COMPATIBLE or address in _TRANSLATED:
        yield last
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if (int(address) >> 32) & 0xFFFF_FFFF in _LOCATOR_OF_ISATAP:
        yield last


class AddressGuard:
    """Resolves names to addresses that may be connected to."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self.allow_private = allow_private

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, each fit to be connected to as it stands.

        Raises RefusedAddress where one of them is forbidden, BadInput for an unknown host, Unavailable where the name
        service does not answer.
        """
        found = _resolved(host, port)
        if not self.allow_private:
            for text in found:
                rule = rule_against(ipaddress.ip_address(text.partition("%")[0]))
                if rule:
                    raise RefusedAddress(
                        f"the host '{host[:200]}' has the address {text}, which is {rule}; "
                        "this server connects to public addresses only (setting allow_private_urls)"
                    )
        return found


def _resolved(host: str, port: int) -> list[str]:
    """Addresses in the order the system prefers."""
    if not host or "\0" in host:
        raise BadInput(f"{host[:200]!r} is not the name of a host")
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as err:
        raise BadInput(f"{host[:200]!r} is not the name of a host") from err
    except socket.gaierror as err:
        if err.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY):
            raise Unavailable(f"the host '{host[:200]}' could not be looked up: {err.strerror}") from err
        raise BadInput(f"the host '{host[:200]}' is unknown; check its spelling") from err
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))
