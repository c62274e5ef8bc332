"""/files over a real socket: uploads straight to disk, results whole or in part, and no token anywhere."""

import base64
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from fanfold.jobs.models import DataRef, Job
from tests.pace import patience
from tests.unit.api.serving import MOST_BYTES, Served

BODY = bytes(range(256)) * 4000
SUM = hashlib.sha256(BODY).hexdigest()
TEXT = b"0123456789"


@pytest.fixture
def door() -> Iterator[httpx.Client]:
    """Somebody without a token."""
    with httpx.Client(timeout=10) as client:
        yield client


@pytest.fixture
def job(server: Served) -> Job:
    return server.drafted(data_source=DataRef("file"))


def stored(server: Served) -> list[bytes]:
    """The files that are there; one that goes while it is looked at is not."""
    found, folder = list[bytes](), server.shelf.workspace.job("job").source
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            found.append(path.read_bytes())
    return found


def test_a_raw_body_is_stored_whole_and_named_by_its_header(server: Served, door: httpx.Client, job: Job) -> None:
    headers = {"Content-Disposition": "attachment; filename*=UTF-8''d%C3%A4ta.csv"}
    answer = door.put(server.uploads.link(job), content=BODY, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"name": "däta.csv", "size": len(BODY), "sha256": SUM})
    assert stored(server) == [BODY]


def test_a_body_without_announced_length_is_stored_whole(server: Served, door: httpx.Client, job: Job) -> None:
    pieces = (BODY[start : start + 100_003] for start in range(0, len(BODY), 100_003))
    assert door.put(server.uploads.link(job), content=pieces).json()["sha256"] == SUM
    assert stored(server) == [BODY]


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_multipart_body_gives_its_file(server: Served, door: httpx.Client, job: Job, method: str) -> None:
    files = {"file": ("in put.bin", BODY)}
    answer = door.request(method, server.uploads.link(job), files=files, data={"field": "before"})
    assert answer.json() == {"name": "in put.bin", "size": len(BODY), "sha256": SUM}
    assert stored(server) == [BODY]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\ncut',
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nwhole\r\n--x\r\n',
        b"--x\r\n" + b"H: " + b"h" * 100_000,
    ],
)
def test_a_multipart_body_that_is_not_whole_is_refused_and_leaves_nothing(
    server: Served, door: httpx.Client, job: Job, body: bytes
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = door.put(server.uploads.link(job), content=body, headers=headers)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "details"}
    assert stored(server) == []


def test_an_upload_can_be_sent_again_until_it_is_complete(server: Served, door: httpx.Client, job: Job) -> None:
    link = server.uploads.link(job)
    for body in (b"first", b"second"):
        assert door.put(link, content=body).status_code == 200
    assert stored(server) == [b"second"]
    server.uploads.completed(server.account_id, "job")
    assert door.put(link, content=b"third").status_code == 400
    assert stored(server) == [b"second"]


def test_more_than_the_limit_is_refused_whether_announced_or_not(server: Served, door: httpx.Client, job: Job) -> None:
    too_much = bytes(MOST_BYTES + 1)
    announced = door.put(server.uploads.link(job), content=too_much)
    streamed = door.put(server.uploads.link(job), content=iter([too_much]))
    for answer in (announced, streamed):
        assert answer.status_code == 413
        assert str(MOST_BYTES) in answer.json()["message"]
    assert stored(server) == []


def test_a_client_that_hangs_up_leaves_nothing(server: Served, job: Job) -> None:
    link = urlsplit(server.uploads.link(job))
    with socket.create_connection((link.hostname or "", link.port or 0)) as connection:
        head = f"PUT {link.path}?{link.query} HTTP/1.1\r\nHost: {link.netloc}\r\nContent-Length: 2500000\r\n\r\n"
        connection.sendall(head.encode() + bytes(2_000_000))
        _until(lambda: stored(server) != [])
    _until(lambda: stored(server) == [])
    assert server.shelf.uploads.find("job") is None


@pytest.mark.parametrize("query", ["", "?expires=1&signature=x", "?expires=99999999999&signature=" + "0" * 64])
def test_a_link_that_was_not_given_out_is_not_found_in_the_shape_of_errors(
    server: Served, door: httpx.Client, job: Job, query: str
) -> None:
    for method, path in (("PUT", "uploads/job"), ("GET", "results/job/1/x.txt"), ("HEAD", "results/job/1/x.txt")):
        answer = door.request(method, f"{server.url}/files/{path}{query}")
        assert answer.status_code == 404
        if method != "HEAD":
            assert answer.json()["code"] == 5
            assert "ask for it again" in answer.json()["message"]


def linked(server: Served, name: str = "x.txt", data: bytes = TEXT) -> str:
    return server.results.listed(server.shelf.complete({name: data}, account_id=server.account_id))[0].link


def test_a_result_is_given_whole_with_what_is_known_of_it(server: Served, door: httpx.Client) -> None:
    answer = door.get(linked(server))
    assert (answer.status_code, answer.content) == (200, TEXT)
    known = {
        "content-length": "10",
        "content-type": "text/plain",
        "etag": f'"{hashlib.sha256(TEXT).hexdigest()}"',
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-disposition": "attachment; filename=\"x.txt\"; filename*=UTF-8''x.txt",
    }
    assert {name: answer.headers[name] for name in known} == known


def test_head_tells_the_same_and_sends_nothing(server: Served, door: httpx.Client) -> None:
    link = linked(server)
    whole, head = door.get(link), door.head(link)
    assert (head.status_code, head.content) == (200, b"")
    told = {name: value for name, value in head.headers.items() if name not in ("date", "x-request-id")}
    assert told.items() <= whole.headers.items()


@pytest.mark.parametrize(
    ("asked", "given", "place"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", TEXT, "bytes 0-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
        ("bytes=5-999", b"56789", "bytes 5-9/10"),
        ("BYTES=1 - 2", b"12", "bytes 1-2/10"),
    ],
)
def test_a_range_is_given_exactly(server: Served, door: httpx.Client, asked: str, given: bytes, place: str) -> None:
    link = linked(server)
    answer = door.get(link, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, given)
    assert (answer.headers["content-range"], answer.headers["content-length"]) == (place, str(len(given)))
    head = door.head(link, headers={"Range": asked})
    assert (head.status_code, head.headers["content-range"]) == (206, place)


@pytest.mark.parametrize(
    "asked", ["bytes=3-2", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes=" + "9" * 50 + "-", "0-1"]
)
def test_what_is_not_one_range_gives_the_whole(server: Served, door: httpx.Client, asked: str) -> None:
    answer = door.get(linked(server), headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, TEXT)


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(server: Served, door: httpx.Client, asked: str) -> None:
    answer = door.get(linked(server), headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10")
    assert set(answer.json()) == {"code", "message", "details"}


def test_an_empty_file_is_given_whole(server: Served, door: httpx.Client) -> None:
    link = linked(server, data=b"")
    assert door.get(link).content == b""
    assert door.get(link, headers={"Range": "bytes=0-"}).status_code == 416


def test_a_copy_that_is_still_right_is_not_sent_again(server: Served, door: httpx.Client) -> None:
    link = linked(server)
    tag = door.head(link).headers["etag"]
    for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = door.get(link, headers={"If-None-Match": told})
        assert (answer.status_code, answer.content) == (304, b"")
    assert door.get(link, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_range_of_another_file_gives_the_whole(server: Served, door: httpx.Client) -> None:
    link = linked(server)
    tag = door.head(link).headers["etag"]
    assert door.get(link, headers={"Range": "bytes=0-1", "If-Range": tag}).status_code == 206
    assert door.get(link, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).content == TEXT


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("page.html", "text/html"),
        ("image.svg", "image/svg+xml"),
        ("data.csv.gz", "application/gzip"),
        ("x", "application/octet-stream"),
    ],
)
def test_a_browser_saves_a_result_and_never_runs_it(server: Served, door: httpx.Client, name: str, kind: str) -> None:
    answer = door.get(linked(server, name, b"<script>alert(1)</script>"))
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["deep/er/ä b.txt", 'quo"te.txt', "per%2Fcent?.txt", "semi;colon#.txt", "a\\b.txt"])
def test_a_name_of_any_letters_is_given_under_its_link(server: Served, door: httpx.Client, name: str) -> None:
    answer = door.get(linked(server, name))
    assert (answer.status_code, answer.content) == (200, TEXT)
    assert answer.headers["content-disposition"].isascii()


def test_a_link_works_for_another_method_or_name_or_round_not_at_all(server: Served, door: httpx.Client) -> None:
    link = linked(server)
    for other in (link.replace("/1/x.txt", "/2/x.txt"), link.replace("x.txt", "y.txt"), link.replace("/job/", "/joc/")):
        assert door.get(other).status_code == 404
    assert door.put(link).status_code == 405


def test_many_readers_at_once_get_what_they_asked_for(server: Served) -> None:
    data = os.urandom(2_000_000)
    link = linked(server, data=data)
    wrong: list[int] = []

    def read(start: int) -> None:
        with httpx.Client(timeout=20) as client:
            answer = client.get(link, headers={"Range": f"bytes={start}-"})
            if answer.content != data[start:]:
                wrong.append(start)

    readers = [threading.Thread(target=read, args=(start * 100_000,)) for start in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_no_file_stays_open_after_it_was_asked_for(server: Served, door: httpx.Client) -> None:
    link = linked(server)
    for headers in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=99-"}, {"If-None-Match": "*"}):
        door.get(link, headers=headers)
        door.head(link, headers=headers)
    _until(lambda: not _open_below(server.shelf.root))


def _open_below(root: Path) -> list[str]:
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except FileNotFoundError:
            continue
    return [link for link in links if link.startswith(f"{root}/jobs")]


def _until(true: object) -> None:
    """Look again until something is true."""
    assert callable(true)
    give_up = time.monotonic() + patience(10)
    pause = threading.Event()
    while not true():
        assert time.monotonic() < give_up
        pause.wait(0.005)


# ---- checksums (RFC 9530)


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest", "content-digest"])
def test_an_upload_that_is_not_what_its_checksum_says_is_refused_and_can_be_sent_again(
    server: Served, door: httpx.Client, job: Job, header: str
) -> None:
    link = server.uploads.link(job)
    assert door.put(link, content=b"earlier").status_code == 200
    for _ in range(2):
        refused = door.put(link, content=BODY[:-1], headers={header: digest(BODY)})
        assert refused.status_code == 400
        [problem] = refused.json()["details"]
        assert problem["field"].lower() == header.lower()
        assert (SUM in problem["reason"], "send it again" in refused.json()["message"]) == (True, True)
        assert stored(server) == [b"earlier"]
    assert door.put(link, content=BODY, headers={header: digest(BODY)}).json()["sha256"] == SUM
    assert stored(server) == [BODY]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"sha-512=:AAAA:, {digest(BODY)}", 200),
        (f"{digest(BODY)};keep=1, md5=:AAAA:", 200),
        ("sha-512=:AAAA:", 200),
        ("", 200),
        (f"{digest(BODY)}, {digest(b'other')}", 400),
        ("sha-256=:AAAA:", 400),
        ("sha-256=" + SUM, 400),
        ("sha-256", 400),
        (digest(BODY).replace("=:", "=:!", 1), 400),
    ],
)
def test_a_digest_is_read_as_the_rfc_says(server: Served, door: httpx.Client, job: Job, text: str, status: int) -> None:
    answer = door.put(server.uploads.link(job), content=BODY, headers={"Content-Digest": text})
    assert (answer.status_code, stored(server)) == (status, [BODY] if status == 200 else [])


def test_both_digests_must_fit(server: Served, door: httpx.Client, job: Job) -> None:
    headers = {"Content-Digest": digest(BODY), "Repr-Digest": digest(b"other")}
    refused = door.put(server.uploads.link(job), content=BODY, headers=headers)
    assert [problem["field"] for problem in refused.json()["details"]] == ["Repr-Digest"]


def test_a_multipart_body_takes_no_checksum(server: Served, door: httpx.Client, job: Job) -> None:
    refused = door.put(server.uploads.link(job), files={"file": ("x", BODY)}, headers={"Content-Digest": digest(BODY)})
    assert (refused.status_code, "raw body" in refused.json()["message"]) == (400, True)
    assert stored(server) == []
