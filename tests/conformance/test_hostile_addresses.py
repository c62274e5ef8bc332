"""S5: hostile addresses through every door that a stranger may write one into: a `url` source, a redirect on the way to
one, the endpoint of a store, as a source and as a destination. Each is refused with the rule named, and nothing is
connected to."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fanfold.datasources.s3 import S3Family
from fanfold.datasources.url import WebFile
from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import DataRef
from fanfold.jobs.secrets import Credential
from fanfold.net.addresses import AddressGuard
from fanfold.net.http import GuardedHttp
from tests.lying_server import LyingServer, lying_server

NAMES = {
    "metadata.test": ["169.254.169.254"],
    "localhost.test": ["127.0.0.1"],
    "mixed.test": ["8.8.8.8", "10.0.0.1"],
    "mixed6.test": ["2606:4700:4700::1111", "::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "zoned.test": ["fe80::1%lo"],
    "nat64.test": ["64:ff9b::7f00:1"],
    "xn--bcher-kva.test": ["192.168.1.1"],
    "trailing.test.": ["10.1.2.3"],
}
"""What the name service of these tests answers; it knows numbers, and no other names."""

HOSTS = [
    # plain
    ("127.0.0.1", "loopback"),
    ("127.8.9.10", "loopback"),
    ("0.0.0.0", "this network"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.254", "private"),
    ("192.168.0.1", "private"),
    ("169.254.169.254", "link-local and metadata"),
    ("169.254.170.2", "link-local and metadata"),
    ("100.100.100.200", "link-local and metadata"),
    ("100.64.0.1", "shared (carrier)"),
    ("192.0.0.192", "reserved"),
    ("198.18.0.1", "reserved"),
    ("224.0.0.1", "multicast"),
    ("255.255.255.255", "reserved"),
    # decimal, octal, hexadecimal, short, mixed
    ("2130706433", "loopback"),
    ("017700000001", "loopback"),
    ("0177.0.0.1", "loopback"),
    ("0x7f000001", "loopback"),
    ("0x7f.0.0.0x1", "loopback"),
    ("0X7F.1", "loopback"),
    ("127.1", "loopback"),
    ("127.0.1", "loopback"),
    ("0", "this network"),
    ("2852039166", "link-local and metadata"),
    ("0xa9fea9fe", "link-local and metadata"),
    ("0251.0376.0251.0376", "link-local and metadata"),
    ("169.254.43518", "link-local and metadata"),
    ("3232235777", "private"),
    ("10.1", "private"),
    # IPv6, and IPv4 in it
    ("[::1]", "loopback"),
    ("[0:0:0:0:0:0:0:1]", "loopback"),
    ("[::]", "this network"),
    ("[::ffff:127.0.0.1]", "loopback"),
    ("[::ffff:7f00:1]", "loopback"),
    ("[0:0:0:0:0:ffff:a9fe:a9fe]", "link-local and metadata"),
    ("[::127.0.0.1]", "loopback"),
    ("[::ffff:0:10.0.0.1]", "private"),
    ("[64:ff9b::7f00:1]", "loopback"),
    ("[64:ff9b::169.254.169.254]", "link-local and metadata"),
    ("[64:ff9b:1::a00:1]", "reserved"),
    ("[2002:7f00:1::]", "loopback"),
    ("[2002:a9fe:a9fe::1]", "link-local and metadata"),
    ("[2001:0:7f00:1::]", "reserved"),
    ("[2606:4700::5efe:192.168.1.1]", "private"),
    ("[fe80::1]", "link-local and metadata"),
    ("[fd00:ec2::254]", "link-local and metadata"),
    ("[fc00::1]", "private"),
    ("[fec0::1]", "private"),
    ("[ff02::1]", "multicast"),
    ("[2001:db8::1]", "reserved"),
    # names
    ("localhost", "loopback"),
    ("LOCALHOST", "loopback"),
    ("localhost.test", "loopback"),
    ("metadata.test", "link-local and metadata"),
    ("mixed.test", "private"),
    ("mixed6.test", "loopback"),
    ("mapped.test", "loopback"),
    ("zoned.test", "link-local and metadata"),
    ("nat64.test", "loopback"),
    ("trailing.test.", "private"),
    ("xn--bcher-kva.test", "private"),
]
"""A host as it is written, and the rule that refuses it."""


class NoSecrets:
    """Nobody has stored any."""

    def find(self, account_id: str, secret_id: str) -> Credential:
        raise BadInput(f"there is no secret '{secret_id}' of '{account_id}'")


class OneOpenName(AddressGuard):
    """Takes `public.test` for a public host, and checks all others."""

    def addresses(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "public.test" else super().addresses(host, port)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Iterator[list[str]]]:
    """The name service; names that are put in answer anew each time."""
    turning: dict[str, Iterator[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        found = next(turning[name]) if name in turning else NAMES.get(name)
        if found is None:
            return real(host, port, *more, **options)
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return turning


@pytest.fixture
def server() -> Iterator[LyingServer]:
    """What must not be asked: it listens on loopback, and redirects where a test says."""
    with lying_server() as made:
        made.gives("/secret", b"secret")
        yield made


def web(guard: AddressGuard | None = None) -> WebFile:
    return WebFile(Effects(), GuardedHttp(guard or AddressGuard()), NoSecrets(), waits_s=())


def store(host_and_port: str) -> DataRef:
    params = {"bucketName": "good", "endpointUrl": f"http://{host_and_port}", "name": "x"}
    return DataRef("s3-compatible", params, "ann")


def family() -> S3Family:
    return S3Family(Effects(), AddressGuard(), NoSecrets(), 10**9)


def by_url(server: LyingServer, host: str) -> None:
    web().preview(DataRef("url", {"url": server.url("/secret", host)}))


def by_redirect(server: LyingServer, host: str) -> None:
    server.sends_to("/go", server.url("/secret", host))
    web(OneOpenName()).preview(DataRef("url", {"url": server.url("/go", "public.test")}))


def by_source(server: LyingServer, host: str) -> None:
    family().preview(store(f"{host}:{server.port}"))


def by_destination(server: LyingServer, host: str) -> None:
    family().check_destination(store(f"{host}:{server.port}"))


OCTAL = "Invalid IPv4 address: '0[0-7]+[.]"
"""What a reader of URLs may say of a number that begins with 0, before anybody asks what it means."""

DOORS: list[Callable[[LyingServer, str], None]] = [by_url, by_redirect, by_source, by_destination]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("host", "rule"), HOSTS)
def test_a_hostile_host_is_refused_by_its_rule_through_every_door(
    server: LyingServer, host: str, rule: str, door: Callable[[LyingServer, str], None]
) -> None:
    with pytest.raises(BadInput, match=f", which is {re.escape(rule)};|{OCTAL}") as refused:
        door(server, host)
    assert refused.value.problems[0].field.endswith(("params.url", "params.endpointUrl"))
    assert not [asked for asked in server.asked if "/go" not in asked.splitlines()[0]]


@pytest.mark.parametrize(("host", "rule"), HOSTS)
def test_a_hostile_host_is_told_nothing_by_webhooks(server: LyingServer, host: str, rule: str) -> None:
    """When one is made, and at every message, since names change."""
    http, url = GuardedHttp(AddressGuard()), server.url("/secret", host)
    for call in (http.check, lambda url: http.post(url, {}, b"{}")):
        with pytest.raises(BadInput, match=f", which is {re.escape(rule)};|{OCTAL}"):
            call(url)
    assert server.asked == []


URLS = [
    ("file:///etc/passwd", "scheme 'file'"),
    ("ftp://127.0.0.1/x", "scheme 'ftp'"),
    ("gopher://127.0.0.1:6379/_x", "scheme 'gopher'"),
    ("dict://127.0.0.1:11211/stat", "scheme 'dict'"),
    ("data:text/plain,x", "scheme 'data'"),
    ("ws://127.0.0.1/", "scheme 'ws'"),
    ("unix:///var/run/docker.sock", "scheme 'unix'"),
    ("http+unix://%2Fvar%2Frun%2Fdocker.sock/x", "scheme"),
    ("jar:http://127.0.0.1!/x", "scheme 'jar'"),
    ("HTTP://ann:pass@127.0.0.1/", "user in it"),
    ("http://example.test@127.0.0.1/", "user in it"),
    ("http://127.0.0.1:80@example.test/", "user in it"),
    ("http://example.test%40127.0.0.1/", "not a URL|not the name|unknown|user in it"),
    ("http://example.test#@127.0.0.1/", "host"),
    ("http://@127.0.0.1/", "user in it|loopback"),
    ("http://:@127.0.0.1/", "user in it"),
    ("http://127.0.0.1:0/", "port 0"),
    ("http://127.0.0.1:65536/", "port"),
    ("http://127.0.0.1:-80/", "not a URL|port"),
    ("http://[::1%25lo]/", "unknown|loopback"),
    ("http://[fe80::1%25eth0]/", "unknown|link-local"),
    ("http://[::ffff:127.0.0.1", "not a URL"),
    ("http:\\\\127.0.0.1\\x", "host|URL"),
    ("http:///127.0.0.1/", "names no host"),
    ("//127.0.0.1/x", "scheme ''"),
    ("http://127\u30020\u30020\u30021/", "loopback|not a URL|not the name"),
    ("http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "loopback|not a URL|not the name"),
    ("http://\u2460\u2461\u2466.0.0.1/", "loopback|not a URL|not the name"),
    ("http://localho\u017ft/", "loopback|not a URL|not the name"),
    ("http://127.0.0.1\u0000.example.test/", "not a URL|not the name"),
    ("http://127.0.0.1\r\nHost: example.test/", "not a URL"),
    ("http://%31%32%37.0.0.1/", "loopback|not a URL|not the name|unknown"),
]
"""A URL that is no plain way to a host, and what is said of it."""

SENT_ON = [row for row in URLS if row[0].isprintable() and not row[0].startswith(("http:///", "http:\\\\"))]
"""What a header can hold; the two that are left out name no host: they stay at the one that redirects."""


@pytest.mark.parametrize(("url", "said"), URLS)
def test_a_hostile_url_is_refused_in_words(server: LyingServer, url: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        web().preview(DataRef("url", {"url": url}))
    assert refused.value.problems[0].field == "dataSource.params.url"
    assert server.asked == []


@pytest.mark.parametrize(("url", "said"), URLS)
def test_a_hostile_url_is_no_endpoint_of_a_store(url: str, said: str) -> None:
    params = {"bucketName": "good", "endpointUrl": url, "name": "x"}
    with pytest.raises(BadInput) as refused:
        family().preview(DataRef("s3-compatible", params, "ann"))
    assert refused.value.problems[0].field == "dataSource.params.endpointUrl"


@pytest.mark.parametrize(("url", "said"), SENT_ON)
def test_a_redirect_to_a_hostile_url_is_refused(server: LyingServer, url: str, said: str) -> None:
    server.sends_to("/go", url)
    with pytest.raises(BadInput, match=f"redirects to|loopback|{said}"):
        web(OneOpenName()).preview(DataRef("url", {"url": server.url("/go", "public.test")}))
    assert len(server.asked) <= 2


def test_a_name_that_turns_inward_between_check_and_fetch_is_refused(
    server: LyingServer, names: dict[str, Iterator[list[str]]], tmp_path: Any
) -> None:
    names["turning.test"] = iter([["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]])
    assert AddressGuard().addresses("turning.test", server.port) == ["8.8.8.8"]
    with pytest.raises(BadInput, match="which is loopback"):
        web().preview(DataRef("url", {"url": server.url("/secret", "turning.test")}))
    assert server.asked == []


def test_a_store_whose_name_turns_inward_after_its_check_is_refused_where_it_is_connected_to(
    server: LyingServer, names: dict[str, Iterator[list[str]]]
) -> None:
    names["turning.test"] = iter([["8.8.8.8"], *[["127.0.0.1"]] * 50])
    with pytest.raises(BadInput, match="which is loopback"):
        family().preview(store(f"turning.test:{server.port}"))
    assert server.asked == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    server: LyingServer, names: dict[str, Iterator[list[str]]]
) -> None:
    names["once.test"] = iter([["127.0.0.1"]])
    allowing = web(AddressGuard(allow_private=True))
    assert allowing.preview(DataRef("url", {"url": server.url("/secret", "once.test")})).size_bytes == 6
    with pytest.raises(StopIteration):
        next(names["once.test"])


def test_the_tables_are_as_large_as_they_should_be() -> None:
    assert len({host for host, _ in HOSTS}) >= 40
    assert len({url for url, _ in URLS}) >= 30
