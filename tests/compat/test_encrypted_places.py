"""Stores and servers of the web over TLS whose certificates the operator trusts: read in ranges, and written to."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
import pytest

from tests.certificates import Certificates, certificates
from tests.compat.conftest import Starting
from tests.compat.server import json_of
from tests.compat.test_direct_ranges import LINES, MIB, Ranged, from_web, in_bucket, ran
from tests.conformance.s3_server import S3Server, content, s3_server


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, shown: Certificates) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3"), shown) as made:
        yield made


@contextmanager
def encrypted(shown: Certificates) -> Iterator[str]:
    """A server of the web that gives LINES in ranges."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranged) as web:
        web.daemon_threads = True
        web.socket = context.wrap_socket(web.socket, server_side=True)
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{web.server_port}/data.jsonl"
        finally:
            web.shutdown()
            thread.join()


def test_an_encrypted_store_is_read_in_ranges_and_written_to(
    store: S3Server, shown: Certificates, starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(shown.authority))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    server = starting(allow_private_urls="on", isolation="off", max_upload_bytes=4 * MIB)
    objects = store.bucket("encrypted")
    obstore.put(objects, "in/data.jsonl", LINES)
    with server.door() as door:
        to = in_bucket(store, "encrypted", "out")
        done = ran(door, in_bucket(store, "encrypted", "in/"), to, "split-lines")
        assert done["numChunks"] > 1
        found = content(objects)
        assert [value for key, value in found.items() if key.startswith("out/copy")] == [LINES]


def test_an_encrypted_server_of_the_web_is_read_in_ranges(
    store: S3Server, shown: Certificates, starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(shown.authority))
    server = starting(allow_private_urls="on", isolation="off", max_upload_bytes=4 * MIB)
    objects = store.bucket("from-web")
    with encrypted(shown) as url, server.door() as door:
        ran(door, from_web(url), in_bucket(store, "from-web", "out"), "split-lines")
    assert [value for key, value in content(objects).items() if key.startswith("out/copy")] == [LINES]


def test_a_certificate_of_nobody_who_is_trusted_is_refused(
    store: S3Server, shown: Certificates, starting: Starting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = tmp_path / "another"
    another.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates(another).authority))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    server = starting(allow_private_urls="on", isolation="off")
    store.bucket("untrusted")
    with encrypted(shown) as url, server.door() as door:
        for source, said in (
            (from_web(url), "certificate verify failed"),
            (in_bucket(store, "untrusted", "in/"), "shows a certificate that is not trusted"),
        ):
            told = json_of(door.post("/v1/customer/datasource/test", json={"dataSource": source}), 400)
            assert said in str(told["message"])
