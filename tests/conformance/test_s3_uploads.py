"""What is left of uploads in parts after a kill, a stop or a failure: nothing once the job goes on or is taken back."""

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpcore
import pytest

from fanfold.datasources import s3_delivery
from fanfold.datasources.listings import MANIFEST
from fanfold.datasources.s3 import S3Family
from fanfold.datasources.s3_delivery import MOST_PARTS, parts_of
from fanfold.datasources.s3_params import Place
from fanfold.datasources.s3_uploads import signed
from fanfold.effects import Effects
from fanfold.errors import FanfoldError
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.net.addresses import AddressGuard
from fanfold.ports.datasource import OutputFile
from tests.conformance.s3_server import S3Server, content, s3_server
from tests.pace import patience

LARGE_BYTES = 3 * s3_delivery.PART_BYTES + 1
_numbers = itertools.count()

DELIVERS = """
import sys, threading
from tests.conformance.test_s3_uploads import family, large, reference
reads = 0
def stopped():
    global reads
    reads += 1
    if reads > 2:
        threading.Event().wait()
    return False
family().deliver(reference(*sys.argv[1:3]), "job", [large(sys.argv[3])], stopped)
"""
"""A delivery that hangs in the middle of its large object."""


class NoSecrets:
    """Keys stand in the params."""

    def find(self, account_id: str, secret_id: str) -> Any:
        raise AssertionError


def family() -> S3Family:
    return S3Family(Effects(), AddressGuard(allow_private=True), NoSecrets(), 10**9)


def reference(url: str, bucket: str) -> DataRef:
    return DataRef("s3-compatible", S3Server(url).params(bucket, name="out"), "ann")


def large(path: str) -> OutputFile:
    return OutputFile(path, ResultFile("large.bin", LARGE_BYTES, "sha"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as made:
        yield made


class Bucket:
    """A bucket of a test, and a large file that goes there."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self.name = f"uploads-{next(_numbers)}"
        self.url = server.url
        self.store = server.bucket(self.name)
        self.path = folder / "large.bin"
        self.path.write_bytes(b"0123456789abcde\n" * (LARGE_BYTES // 16) + b"!")
        self.ref = reference(server.url, self.name)

    def begin(self, key: str) -> None:
        """Begin an upload to a key and never end it."""
        assert httpcore.request("POST", f"{self.url}/{self.name}/{key}?uploads").status == 200

    def uploads(self) -> list[str]:
        """The keys of the uploads that have not ended."""
        text = httpcore.request("GET", f"{self.url}/{self.name}?uploads").content.decode()
        return sorted(part.partition("</Key>")[0] for part in text.split("<Key>")[1:])

    def kill_in_the_middle(self) -> None:
        """Let a process begin to deliver the large file, and kill it."""
        with subprocess.Popen([sys.executable, "-c", DELIVERS, self.url, self.name, str(self.path)]) as process:
            give_up = time.monotonic() + patience(20)
            while not self.uploads():
                assert process.poll() is None, "the delivery ended"
                assert time.monotonic() < give_up, "no upload was begun"
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        assert self.uploads() == ["out/large.bin"]


@pytest.fixture
def bucket(server: S3Server, tmp_path: Path) -> Bucket:
    return Bucket(server, tmp_path)


def never() -> bool:
    return False


def test_a_delivery_after_a_kill_aborts_what_the_first_began(bucket: Bucket) -> None:
    bucket.kill_in_the_middle()
    assert family().deliver(bucket.ref, "job", [large(str(bucket.path))], never) == (1, LARGE_BYTES)
    assert bucket.uploads() == []
    found = content(bucket.store)
    assert set(found) == {"out/large.bin", f"out/{MANIFEST}"}
    assert found["out/large.bin"] == bucket.path.read_bytes()


def test_a_job_that_is_taken_back_after_a_kill_leaves_no_upload(bucket: Bucket) -> None:
    bucket.kill_in_the_middle()
    bucket.begin("out/of-another")
    bucket.begin("elsewhere/large.bin")
    family().take_back(bucket.ref, "another job")
    assert bucket.uploads() == ["elsewhere/large.bin", "out/large.bin", "out/of-another"]
    family().take_back(bucket.ref, "job")
    assert (bucket.uploads(), content(bucket.store)) == (["elsewhere/large.bin", "out/of-another"], {})


def test_a_stop_ends_an_upload_in_the_middle(bucket: Bucket) -> None:
    asked = itertools.count()
    delivered = family().deliver(bucket.ref, "job", [large(str(bucket.path))], lambda: next(asked) > 2)
    assert (delivered, bucket.uploads(), content(bucket.store)) == ((0, 0), [], {})


def test_a_delivery_that_fails_leaves_no_upload(bucket: Bucket) -> None:
    bucket.begin("out/large.bin")
    gone = OutputFile(str(bucket.path.with_name("gone")), ResultFile("gone", 1, "sha"))
    with pytest.raises(FanfoldError):
        family().deliver(bucket.ref, "job", [large(str(bucket.path)), gone], never)
    assert bucket.uploads() == []


@pytest.mark.parametrize("size_bytes", [0, 1, LARGE_BYTES, 100 * 2**30, 5 * 2**40])
def test_no_object_has_too_many_parts_or_takes_much_memory(size_bytes: int) -> None:
    part_bytes, at_once = parts_of(size_bytes)
    assert size_bytes / part_bytes <= MOST_PARTS < 10_000
    assert part_bytes * at_once <= max(s3_delivery.IN_MEMORY_BYTES, size_bytes / MOST_PARTS + 1)


def test_a_request_is_signed_as_the_example_of_the_makers() -> None:
    """The example "GET Bucket (List Objects)" of the documentation of Signature Version 4."""
    place = Place("", "", "", "us-east-1", "", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    at = datetime(2013, 5, 24, tzinfo=UTC)
    told = signed(place, "GET", "examplebucket.s3.amazonaws.com", "/?max-keys=2&prefix=J", at)
    assert told["authorization"].endswith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
