"""The S3 family against a server on loopback: what names mean, whole objects, own objects, refused addresses."""

import itertools
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from fanfold.datasources import s3, s3_store
from fanfold.datasources.listings import MANIFEST, pending_of
from fanfold.datasources.s3 import CHECK_WITHIN, S3Family
from fanfold.effects import Effects
from fanfold.errors import BadInput, Unavailable
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.jobs.secrets import Credential, SecretType
from fanfold.net.addresses import AddressGuard
from fanfold.ports.datasource import OutputFile, Staging
from tests.conformance.s3_server import KEYS, S3Server, content, s3_server

_numbers = itertools.count()


class OneSecret:
    """The secret `mine` of the account `ann`."""

    def find(self, account_id: str, secret_id: str) -> Credential:
        assert (account_id, secret_id) == ("ann", "mine")
        return Credential("mine", SecretType.S3_COMPATIBLE, *KEYS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as made:
        yield made


@pytest.fixture
def family() -> S3Family:
    return S3Family(Effects(), AddressGuard(allow_private=True), OneSecret(), 10**9)


class Bucket:
    """A bucket of a test, and places in it."""

    def __init__(self, server: S3Server) -> None:
        self.name = f"bucket-{next(_numbers)}"
        self.server = server
        self.store: S3Store = server.bucket(self.name)

    def put(self, **objects: bytes) -> None:
        for key, data in objects.items():
            obstore.put(self.store, key, data)

    def ref(self, name: str, **more: Any) -> DataRef:
        return DataRef("s3-compatible", self.server.params(self.name, name=name, **more), "ann")


@pytest.fixture
def bucket(server: S3Server) -> Bucket:
    return Bucket(server)


def read(family: S3Family, ref: DataRef, folder: Path) -> dict[str, bytes]:
    files = list(family.list_source(ref, Staging("job", folder, lambda: False)))
    return {file.name: Path(file.location).read_bytes() for file in files}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.txt", {"a.txt": b"a"}),
        ("/a.txt", {"a.txt": b"a"}),
        ("in/", {"one.csv": b"1", "two.csv": b"2", "deep/three.txt": b"3"}),
        ("in/*.csv", {"one.csv": b"1", "two.csv": b"2"}),
        ("in/[ot]*.csv", {"one.csv": b"1", "two.csv": b"2"}),
        ("*.txt", {"a.txt": b"a", "in/deep/three.txt": b"3", "q[1].txt": b"literal"}),
        ("q[1].txt", {"q[1].txt": b"literal"}),
        ("in/deep/../deep/", {}),
    ],
)
def test_a_name_means_an_object_a_prefix_or_a_glob(
    family: S3Family, bucket: Bucket, tmp_path: Path, name: str, found: dict[str, bytes]
) -> None:
    objects = {"a.txt": b"a", "in/one.csv": b"1", "in/two.csv": b"2", "in/deep/three.txt": b"3", "inner/no.csv": b"no"}
    bucket.put(**objects, **{"q[1].txt": b"literal"})
    if not found:
        with pytest.raises(BadInput):
            family.check_source(bucket.ref(name), "job")
        return
    family.check_source(bucket.ref(name), "job")
    assert read(family, bucket.ref(name), tmp_path) == found


def test_a_preview_names_the_first_objects_and_counts_all_pages(family: S3Family, bucket: Bucket) -> None:
    bucket.put(**{f"in/{number:04}": b"12" for number in range(1_100)}, other=b"1")
    found = family.preview(bucket.ref("in/"))
    assert found.files == tuple((f"{number:04}", 2) for number in range(10))
    assert (found.count, found.size_bytes, found.whole) == (1_100, 2_200, True)
    with pytest.raises(BadInput, match="has no object"):
        family.preview(bucket.ref("elsewhere/"))


def test_a_search_among_many_objects_ends_in_time_and_says_so(
    family: S3Family, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put(a=b"", b=b"")
    clock = itertools.count(0, CHECK_WITHIN.total_seconds() + 1)
    monkeypatch.setattr(s3, "monotonic", lambda: next(clock))
    with pytest.raises(Unavailable, match=r"'\*\.txt' means was found in time"):
        family.check_source(bucket.ref("*.txt"), "job")


def test_large_objects_come_in_parts_and_many_in_order(
    family: S3Family, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "PART_BYTES", 1000)
    monkeypatch.setattr(s3, "SMALL_BYTES", 3000)
    for module in (s3, s3_store):
        monkeypatch.setattr(module, "LARGE_BYTES", 4000)
    large = bytes(range(256)) * 64 + b"end"
    bucket.put(large=large, empty=b"", **{f"many/{number:03}": b"%d" % number for number in range(50)})
    assert read(family, bucket.ref("large"), tmp_path / "one") == {"large": large}
    assert read(family, bucket.ref("empty"), tmp_path / "none") == {"empty": b""}
    assert list(read(family, bucket.ref("many/"), tmp_path / "many")) == [f"{number:03}" for number in range(50)]


def test_a_secret_of_the_account_is_used_and_more_than_the_limit_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put(a=b"12345", b=b"67890")
    ref = bucket.ref("", secret_id="mine", accessKey="", secretKey="")
    small = S3Family(Effects(), AddressGuard(allow_private=True), OneSecret(), 9)
    with pytest.raises(BadInput, match="more than 9 bytes"):
        read(small, ref, tmp_path)
    assert read(S3Family(Effects(), AddressGuard(allow_private=True), OneSecret(), 10), ref, tmp_path) == {
        "a": b"12345",
        "b": b"67890",
    }


def outputs(folder: Path, **files: bytes) -> list[OutputFile]:
    made = []
    for number, (name, data) in enumerate(files.items()):
        path = folder / str(number)
        path.write_bytes(data)
        made.append(OutputFile(str(path), ResultFile(name, len(data), f"sha of {name}")))
    return made


def test_an_output_appears_with_its_manifest_and_again_the_same(
    family: S3Family, bucket: Bucket, tmp_path: Path
) -> None:
    files = outputs(tmp_path, **{"a.txt": b"a", "deep/b.bin": b"\0" * 100})
    for folder in ("out", "out/", "/out"):
        family.check_destination(bucket.ref(folder))
        assert family.deliver(bucket.ref(folder), "job", files, lambda: False) == (2, 101)
        found = content(bucket.store)
        assert set(found) == {"out/a.txt", "out/deep/b.bin", f"out/{MANIFEST}"}
        told = json.loads(found[f"out/{MANIFEST}"])
        assert told["files"][0] == {"name": "a.txt", "size": 1, "sha256": "sha of a.txt"}


def test_what_was_written_is_taken_back_and_what_is_anothers_stays(
    family: S3Family, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put(**{"out/mine.txt": b"a person's"})
    files = outputs(tmp_path, **{"a.txt": b"a", "b.txt": b"b", "mine.txt": b"new"})
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return len(asked) > 2

    assert family.deliver(bucket.ref("out"), "job", files, stopped) == (0, 0)
    assert content(bucket.store) == {"out/mine.txt": b"a person's"}
    family.deliver(bucket.ref("out"), "job", files[:2], lambda: False)
    family.take_back(bucket.ref("out"), "another")
    assert len(content(bucket.store)) == 4
    family.take_back(bucket.ref("out"), "job")
    family.take_back(bucket.ref("out"), "job")
    assert content(bucket.store) == {"out/mine.txt": b"a person's"}


def test_a_reserved_name_is_refused(family: S3Family, bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="reserved"):
        family.deliver(bucket.ref("out"), "job", outputs(tmp_path, **{pending_of("job"): b"x"}), lambda: False)


@pytest.mark.parametrize(
    ("descriptor", "params", "field"),
    [
        ("aws", {}, "bucketName"),
        ("aws", {"bucketName": "a/b"}, "bucketName"),
        ("aws", {"bucketName": "good", "cloudRegion": "x.evil.example#"}, "cloudRegion"),
        ("aws", {"bucketName": "good", "endpointUrl": "https://x.example"}, "endpointUrl"),
        ("aws", {"bucketName": "good", "bucket": "x"}, "bucket"),
        ("s3-compatible", {"bucketName": "good"}, "endpointUrl"),
        ("s3-compatible", {"bucketName": "good", "endpointUrl": "file:///etc"}, "endpointUrl"),
        ("s3-compatible", {"bucketName": "good", "endpointUrl": "http://user:p@x"}, "endpointUrl"),
        ("storj", {"bucketName": "good", "@type": "type.googleapis.com/bytenite.data_source.HttpDataSource"}, "@type"),
    ],
)
def test_params_that_are_wrong_are_named(family: S3Family, descriptor: str, params: dict[str, Any], field: str) -> None:
    for check in (lambda ref: family.check_source(ref, ""), family.check_destination):
        with pytest.raises(BadInput) as refused:
            check(DataRef(descriptor, params, "ann"))
        assert any(problem.field.endswith(f".params.{field}") for problem in refused.value.problems)


def test_a_bucket_that_is_not_there_is_told(family: S3Family, server: S3Server) -> None:
    ref = DataRef("s3-compatible", server.params("never-made", name="x/"), "ann")
    for check in (lambda: family.check_source(ref, ""), lambda: family.check_destination(ref)):
        with pytest.raises(BadInput, match="there is no bucket 'never-made'"):
            check()


def test_a_store_that_is_away_may_be_back_later(family: S3Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "CHECK_WITHIN", s3.timedelta(seconds=0.5))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unavailable, match="does not answer"):
            family.check_source(DataRef("s3-compatible", {"bucketName": "good", "endpointUrl": url}, "ann"), "")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "192.168.1.1"),
        *("172.16.0.1", "100.64.0.1", "[64:ff9b::7f00:1]", "224.0.0.1"),
    ],
)
def test_endpoints_that_are_not_public_are_refused_and_not_connected_to(host: str, canary: "Canary") -> None:
    strict = S3Family(Effects(), AddressGuard(), OneSecret(), 10**9)
    params = {"bucketName": "good", "endpointUrl": f"http://{host}:{canary.port}", "name": "x"}
    for check in (lambda ref: strict.check_source(ref, ""), strict.check_destination):
        with pytest.raises(BadInput, match=r"public addresses only|unknown|not the name"):
            check(DataRef("s3-compatible", params, "ann"))
    assert canary.untouched()


class Canary:
    """A listener that nobody may connect to."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    def untouched(self) -> bool:
        try:
            self._socket.accept()
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.close()
