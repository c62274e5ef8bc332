"""Large input that stays where it lies: what comes out is what a copy would give, and no copy was made."""

import gzip
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import obstore
import pytest
import zstandard

from tests.compat.conftest import Starting
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Door, Server, json_of
from tests.conformance.s3_server import KEYS, S3Server, content, s3_server
from tests.pace import patience

MIB = 1024 * 1024
ROWS = b"number,text\n" + b"".join(b'%d,"a row, %d"\n' % (number, number % 97) for number in range(600_000))
LINES = b"".join(b'{"line": %d, "text": "%s"}\n' % (number, b"x" * (number % 60)) for number in range(250_000))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as made:
        yield made


@pytest.fixture
def server(starting: Starting) -> Server:
    return starting(allow_private_urls="on", isolation="off")


@pytest.fixture
def narrow(starting: Starting) -> Server:
    """A server that refuses to fetch as much as these inputs have: a copy of them would fail the job."""
    return starting(allow_private_urls="on", isolation="off", max_upload_bytes=4 * MIB)


def in_bucket(store: S3Server, bucket: str, name: str) -> dict[str, Any]:
    params = store.params(bucket, name=name, accessKey=KEYS[0], secretKey=KEYS[1])
    return {"dataSourceDescriptor": "s3-compatible", "params": params}


def ran(door: Door, source: dict[str, Any], to: dict[str, Any], splitter: str, **params: Any) -> dict[str, Any]:
    app = push(door, "copy")
    merge = "merge-csv" if splitter == "split-csv" else "concat"
    job = draft(
        door,
        app,
        partitioner=splitter,
        assembler=merge,
        params={"partitioner": {"max_bytes": 3 * MIB, **params}},
        dataSource=source,
        dataDestination=to,
    )
    run(door, job["id"])
    return ended(door, job["id"])


@pytest.mark.parametrize(
    ("splitter", "data"), [("split-lines", LINES), ("split-bytes", LINES), ("split-csv", ROWS), ("split-json", LINES)]
)
def test_an_object_is_split_where_it_lies(store: S3Server, narrow: Server, splitter: str, data: bytes) -> None:
    objects = store.bucket(f"ranges-{splitter}")
    obstore.put(objects, "in/data.jsonl", data)
    with narrow.door() as door:
        to = in_bucket(store, f"ranges-{splitter}", "out")
        done = ran(door, in_bucket(store, f"ranges-{splitter}", "in/"), to, splitter)
        assert done["numChunks"] == pytest.approx(len(data) / 3 / MIB, abs=1)
        found = content(objects)
        [made] = [value for key, value in found.items() if key.startswith("out/") and not key.endswith(".json")]
        assert made == data


class Ranged(http.server.BaseHTTPRequestHandler):
    """Gives one content, whole or in ranges, behind a redirect and a password."""

    content = LINES
    etag = '"one"'
    etag_of_chunks = '"one"'
    dripping: threading.Event | None = None
    """Set once a chunk was begun to be sent, a little at a time; cleared once its reader is gone."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            return self.tell(302, b"", Location="/data.jsonl")
        if self.headers.get("Authorization") != "Basic bWU6cGFzcw==":
            return self.tell(401, b"")
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            return self.tell(200, self.content, ETag=self.etag)
        start, _, last = asked.partition("-")
        stop = int(last) + 1 if last else len(self.content)
        where = f"bytes {start}-{stop - 1}/{len(self.content)}"
        etag = self.etag_of_chunks if MIB < stop - int(start) < len(self.content) else self.etag
        return self.tell(206, self.content[int(start) : stop], ETag=etag, **{"Content-Range": where})

    def tell(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.dripping is not None and MIB < len(body) < len(self.content):
            self.drip(body, self.dripping)
        else:
            self.wfile.write(body)

    def drip(self, body: bytes, dripping: threading.Event) -> None:
        never = threading.Event()
        dripping.set()
        try:
            for start in range(0, len(body), 4096):
                self.wfile.write(body[start : start + 4096])
                never.wait(0.05)
        except OSError:
            dripping.clear()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def ranged(**said: Any) -> Iterator[str]:
    handler = type("Handler", (Ranged,), said)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        web.daemon_threads = True
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{web.server_port}/moved"
        finally:
            web.shutdown()
            thread.join()


def from_web(url: str) -> dict[str, Any]:
    params = {"url": url, "username": "me", "password": "pass"}
    return {"dataSourceDescriptor": "url", "params": params}


def test_a_file_of_the_web_is_split_where_it_lies(store: S3Server, narrow: Server) -> None:
    objects = store.bucket("web-strong")
    with ranged() as url, narrow.door() as door:
        done = ran(door, from_web(url), in_bucket(store, "web-strong", "out"), "split-lines")
        assert done["numChunks"] > 1
    assert next(value for key, value in content(objects).items() if not key.endswith(".json")) == LINES


def test_one_whose_server_does_not_say_when_it_changes_is_fetched(store: S3Server, server: Server) -> None:
    objects = store.bucket("web-weak")
    with ranged(etag='W/"weak"') as url, server.door() as door:
        ran(door, from_web(url), in_bucket(store, "web-weak", "out"), "split-lines")
    assert next(value for key, value in content(objects).items() if not key.endswith(".json")) == LINES


@pytest.mark.parametrize(
    ("name", "packed"),
    [("data.jsonl.gz", gzip.compress(LINES, 1)), ("data.jsonl.zst", zstandard.ZstdCompressor().compress(LINES))],
)
def test_compressed_input_is_split_as_the_text_it_holds(
    store: S3Server, server: Server, name: str, packed: bytes
) -> None:
    bucket = f"packed-{name.rpartition('.')[2]}"
    objects = store.bucket(bucket)
    obstore.put(objects, f"in/{name}", packed)
    with server.door() as door:
        done = ran(door, in_bucket(store, bucket, "in/"), in_bucket(store, bucket, "out"), "split-json")
        assert done["numChunks"] > 1
        assert [value for key, value in content(objects).items() if key.startswith("out/copy")] == [LINES]


def test_an_abort_ends_a_fetch_that_is_under_way(server: Server) -> None:
    dripping = threading.Event()
    with ranged(dripping=dripping) as url, server.door() as door:
        job = draft(
            door,
            push(door, "copy"),
            partitioner="split-lines",
            assembler="concat",
            params={"partitioner": {"num_chunks": 2}},
            dataSource=from_web(url),
            dataDestination={"dataSourceDescriptor": "bucket"},
        )
        run(door, job["id"])
        assert dripping.wait(patience(20))
        json_of(door.post(f"/v1/customer/jobs/{job['id']}/abort"))
        ended(door, job["id"], "JOB_STATE_FAILED")
        give_up = time.monotonic() + patience(10)
        while dripping.is_set() and time.monotonic() < give_up:
            threading.Event().wait(0.05)
        assert not dripping.is_set(), "the runner goes on with what nobody wants"


def test_a_source_that_changes_after_it_was_split_fails_its_tasks(server: Server) -> None:
    with ranged(etag_of_chunks='"two"') as url, server.door() as door:
        job = draft(
            door,
            push(door, "copy"),
            partitioner="split-lines",
            assembler="concat",
            params={"partitioner": {"max_bytes": 3 * MIB}},
            dataSource=from_web(url),
            dataDestination={"dataSourceDescriptor": "bucket"},
        )
        run(door, job["id"])
        failed = ended(door, job["id"], "JOB_STATE_FAILED")
        assert "changed after it was split" in str(failed), failed
        groups = json_of(door.get(f"/v1/customer/jobs/{job['id']}/failures"))
        assert "chunk_changed" in str(groups)
