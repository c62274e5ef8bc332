"""The S3 family against a store that lies, is slow, sends elsewhere or loses what it just named."""

import base64
import contextlib
import itertools
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
import pytest

from fanfold.datasources import s3, s3_store
from fanfold.datasources.s3 import S3Family
from fanfold.effects import Effects
from fanfold.errors import BadInput, Unavailable
from fanfold.jobs.models import DataRef
from fanfold.net.addresses import AddressGuard
from fanfold.net.tunnel import Door, GuardedProxy
from fanfold.ports.datasource import SourceFile, Staging
from fanfold.ports.secrets import Credential
from tests.conformance.s3_server import S3Server, s3_server
from tests.lying_server import LyingServer, lying_server

HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: "one"\r\nLast-Modified: Thu, 01 Oct 2026 10:00:00 GMT\r\n\r\n'
WANTED = "/good/x"


class NoSecrets:
    """Nobody has stored any."""

    def find(self, account_id: str, secret_id: str) -> Credential:
        raise BadInput(f"there is no secret '{secret_id}' of '{account_id}'")


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server() as made:
        yield made


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as made:
        yield made


def a_family(*, allow_private: bool = True) -> S3Family:
    return S3Family(Effects(), AddressGuard(allow_private=allow_private), NoSecrets(), 10**9)


def ref(url: str, **more: Any) -> DataRef:
    return DataRef("s3-compatible", {"bucketName": "good", "endpointUrl": url, "name": "x"} | more, "ann")


def fetched(family: S3Family, place: DataRef, folder: Path) -> list[SourceFile]:
    return list(family.list_source(place, Staging("job", folder, lambda: False)))


def said(refused: pytest.ExceptionInfo[BadInput]) -> str:
    [problem] = refused.value.problems
    return f"{problem.field}: {problem.reason}"


def test_a_body_may_take_longer_than_a_store_may_be_silent(
    server: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "KEEP_ON", s3.timedelta(seconds=0.5))
    never = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD.format(10).encode())
        if server.asked[-1].startswith("HEAD"):
            return
        for _ in range(10):
            never.wait(0.1)
            connection.sendall(b"x")

    server.answers[WANTED] = drip
    [file] = fetched(a_family(), ref(server.url("")), tmp_path)
    assert Path(file.location).read_bytes() == b"x" * 10


def test_a_store_that_falls_silent_is_given_up(
    server: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "KEEP_ON", s3.timedelta(seconds=0.5))
    never = threading.Event()

    def stop_halfway(connection: socket.socket) -> None:
        connection.sendall(HEAD.format(10).encode() + b"x" * (0 if server.asked[-1].startswith("HEAD") else 5))
        never.wait(5)

    server.answers[WANTED] = stop_halfway
    with pytest.raises(Unavailable, match="does not answer"):
        fetched(a_family(), ref(server.url("")), tmp_path)
    assert not list(tmp_path.glob("[!.]*"))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_store_that_sends_on_to_another_place_is_refused_in_words(server: LyingServer, status: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        server.sends_to(WANTED, f"http://127.0.0.1:{elsewhere.getsockname()[1]}/good/x", status)
        with pytest.raises(BadInput) as refused:
            a_family().check_source(ref(server.url("")), "")
        assert "dataSource.params.endpointUrl" in said(refused)
        assert "sends on to another place" in said(refused)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_each_refusal_names_its_own_param(real: S3Server) -> None:
    real.bucket("good")
    params = real.params("good")
    for asked, field, words in [
        ({"name": "address/host-names/"}, "name", "has no object that 'address/host-names/' means"),
        ({"endpointUrl": "http://does-not-exist.invalid"}, "endpointUrl", "does-not-exist.invalid"),
    ]:
        with pytest.raises(BadInput) as refused:
            a_family().check_source(ref(real.url, **{**params, **asked}), "")
        assert said(refused).startswith(f"dataSource.params.{field}: ")
        assert words in said(refused)
    with pytest.raises(BadInput) as refused:
        a_family(allow_private=False).check_destination(ref(real.url, **params))
    assert said(refused).startswith("dataDestination.params.endpointUrl: ")
    assert "loopback" in said(refused)


class Meddling(Effects):
    """Does something just before an object is fetched."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self._meddle = meddle

    def about_to(self, kind: str, what: str) -> None:
        if kind in ("fetch", "write"):
            self._meddle()


@pytest.mark.parametrize("large", [False, True])
def test_an_object_that_is_gone_or_another_once_it_is_fetched_is_told(
    real: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, large: bool
) -> None:
    if large:
        monkeypatch.setattr(s3, "SMALL_BYTES", 1)
        monkeypatch.setattr(s3_store, "LARGE_BYTES", 2)
        monkeypatch.setattr(s3_store, "PART_BYTES", 3)
    bucket = f"meddled-{large}".lower()
    store = real.bucket(bucket)
    for meddle, words in (
        (lambda: obstore.delete(store, "x"), "'x' was removed while it was fetched"),
        (lambda: obstore.put(store, "x", b"another"), "'x' was changed while it was fetched"),
    ):
        obstore.put(store, "x", b"content")
        family = S3Family(Meddling(meddle), AddressGuard(allow_private=True), NoSecrets(), 10**9)
        with pytest.raises(BadInput) as refused:
            fetched(family, DataRef("s3-compatible", real.params(bucket, name="x"), "ann"), tmp_path)
        assert words in said(refused)


def test_a_large_object_that_is_there_is_not_fetched_again_unless_it_changed(
    real: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SMALL_BYTES", 3)
    for module in (s3, s3_store):
        monkeypatch.setattr(module, "LARGE_BYTES", 4)
    store = real.bucket("kept")
    place = DataRef("s3-compatible", real.params("kept", name=""), "ann")
    obstore.put(store, "large", b"content")
    obstore.put(store, "tiny", b"abc")
    written: list[str] = []
    family = S3Family(Effects(), AddressGuard(allow_private=True), NoSecrets(), 10**9)
    monkeypatch.setattr(family._effects, "about_to", lambda kind, what: written.append(what) if kind == "write" else 0)
    first = fetched(family, place, tmp_path)
    assert len(written) == 2
    assert fetched(family, place, tmp_path)[0] == first[0]
    assert len(written) == 3
    obstore.put(store, "large", b"another")
    assert Path(fetched(family, place, tmp_path)[0].location).read_bytes() == b"another"


def test_an_object_that_is_larger_than_it_was_said_is_not_read_into_memory(server: LyingServer, tmp_path: Path) -> None:
    answers = [HEAD.format(3).encode(), HEAD.format(10**12).encode() + b"abc"]
    server.answers[WANTED] = lambda connection: connection.sendall(answers.pop(0))
    with pytest.raises(Unavailable, match="has 1000000000000 bytes, not 3"):
        fetched(a_family(), ref(server.url("")), tmp_path)


def test_the_password_of_the_proxy_is_in_no_error_log_line_or_request(
    server: LyingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    doors: list[Door] = []
    opened = GuardedProxy.door

    @contextlib.contextmanager
    def noted(proxy: GuardedProxy) -> Iterator[Door]:
        with opened(proxy) as door:
            doors.append(door)
            yield door

    monkeypatch.setattr(GuardedProxy, "door", noted)
    monkeypatch.setattr(s3, "CHECK_WITHIN", s3.timedelta(seconds=0.3))
    monkeypatch.setattr(s3, "KEEP_ON", s3.timedelta(seconds=0.3))
    server.sends_to(WANTED, "http://127.0.0.1:9/good/x", 307)
    server.says("/good/nonsense", b"nonsense\r\n\r\n")
    server.says("/good/busy", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    texts = []
    for name in ("x", "nonsense", "busy"):
        place = ref(server.url(""), name=name, accessKey="AK", secretKey="wJalrXUtnFEMI")
        for look in (partial(a_family().check_source, place, ""), partial(a_family().preview, place)):
            with pytest.raises((BadInput, Unavailable)) as refused:
                look()
            texts.append("".join(traceback.format_exception(refused.value)))
    passwords = [urlsplit(door.url).password or "" for door in doors]
    assert len(set(passwords)) == 6
    found = "\n".join([*texts, *server.asked, caplog.text, repr(doors)])
    for password in [*passwords, "wJalrXUtnFEMI"]:
        encoded = base64.b64encode(f"fanfold:{password}".encode()).decode()
        assert not [spelling for spelling in (password, encoded) if spelling in found]


NOTHING_YET = (
    b"<ListBucketResult><Name>good</Name><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>"
    b"<IsTruncated>true</IsTruncated><NextContinuationToken>go-on</NextContinuationToken></ListBucketResult>"
)


class Endless(dict[str, Callable[[socket.socket], None]]):
    """Answers every path with a page of a listing that has nothing and goes on."""

    def get(self, path: str, default: Any = None) -> Callable[[socket.socket], None]:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(NOTHING_YET)}\r\n\r\n"
        return lambda connection: connection.sendall(head.encode() + NOTHING_YET)


def test_a_listing_that_never_ends_is_given_up(
    server: LyingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.answers = Endless()
    monkeypatch.setattr(s3, "CHECK_WITHIN", s3.timedelta(seconds=1))
    for look in (partial(a_family().check_source, job_id=""), a_family().preview):
        with pytest.raises(Unavailable, match="was found in time"):
            look(ref(server.url(""), name="in/"))
    asks = itertools.count()
    staging = Staging("job", tmp_path, lambda: next(asks) > 2)
    with pytest.raises(Unavailable, match="was stopped"):
        list(a_family().list_source(ref(server.url(""), name="in/"), staging))
    assert len(server.asked) > 10


def test_a_check_of_a_store_that_drips_its_answer_ends_in_time(
    server: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "CHECK_WITHIN", s3.timedelta(seconds=0.5))
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not over.wait(0.1):
            connection.sendall(b"x")

    server.answers[WANTED] = drip
    with ThreadPoolExecutor() as pool:
        check = pool.submit(a_family().check_source, ref(server.url("")), "")
        try:
            with pytest.raises(Unavailable, match="does not answer"):
                check.result(10)
        finally:
            over.set()
