"""A bucket whose store falters: what was asked for comes whole all the same."""

import itertools
import socket
from collections.abc import Iterator

import pytest

from fanfold.blobs.bucket import Bucket
from fanfold.effects import Effects
from fanfold.ports.blobs import BlobPlace
from tests.lying_server import LyingServer, lying_server

TRIES_OF_THE_LIBRARY = 3
OBJECT = (
    "<Contents><Key>{}</Key><LastModified>2026-10-01T10:00:00.000Z</LastModified><Size>1</Size>"
    "<ETag>&quot;one&quot;</ETag></Contents>"
)
LIST = '<?xml version="1.0"?><ListBucketResult><IsTruncated>{}</IsTruncated>{}{}</ListBucketResult>'


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server() as made:
        yield made


def answer(connection: socket.socket, status: str, body: str = "") -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall((head + body).encode())


def test_a_listing_that_breaks_off_between_two_pages_is_whole(server: LyingServer) -> None:
    asked_for_more = itertools.count(1)

    def say(connection: socket.socket) -> None:
        if "continuation-token" not in server.asked[-1]:
            more = "<NextContinuationToken>next</NextContinuationToken>"
            answer(connection, "200 OK", LIST.format("true", more, OBJECT.format("jobs/a")))
        elif next(asked_for_more) <= TRIES_OF_THE_LIBRARY:
            answer(connection, "500 Internal Server Error")
        else:
            answer(connection, "200 OK", LIST.format("false", "", OBJECT.format("jobs/b")))

    server.answers["/good"] = say
    place = BlobPlace("s3", "good", "", server.url("").rstrip("/"), "", "key", "secret")
    bucket = Bucket(place, Effects(), lambda: False)
    assert [blob.name for blob in bucket.below("jobs")] == ["a", "b"]
