"""An upload is on disk whole or not at all, may be repeated until it is complete, and belongs to one job."""

import hashlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from fanfold.errors import Conflict, NotAllowedNow, NotFound
from fanfold.jobs.models import DataRef, Job
from fanfold.ports.uploads import Upload
from fanfold.services.uploads import Incoming, UploadService
from tests.shelf import URL, Shelf
from tests.values import ROAD


@pytest.fixture
def service(shelf: Shelf) -> UploadService:
    return UploadService(shelf.uploads, shelf.store, shelf.workspace, shelf.clock, shelf.signer, URL)


@pytest.fixture
def job(shelf: Shelf) -> Job:
    return shelf.drafted(data_source=DataRef("file", {"name": "told.csv"}))


def begun(service: UploadService, job: Job) -> Incoming:
    query = parse_qs(urlsplit(service.link(job)).query)
    return service.begin(job.id, query["expires"][0], query["signature"][0])


def sent(service: UploadService, job: Job, data: bytes, name: str = "") -> Upload:
    incoming = begun(service, job)
    try:
        incoming.feed(data)
        return service.finish(incoming, name)
    finally:
        service.drop(incoming)


def stored(shelf: Shelf, job: Job) -> list[Path]:
    folder = shelf.workspace.job(job.id).source
    return list(folder.iterdir()) if folder.is_dir() else []


def test_an_upload_is_on_disk_with_its_size_and_sum(shelf: Shelf, service: UploadService, job: Job) -> None:
    upload = sent(service, job, b"a,b\n")
    assert (upload.size_bytes, upload.sha256) == (4, hashlib.sha256(b"a,b\n").hexdigest())
    assert [path.read_bytes() for path in stored(shelf, job)] == [b"a,b\n"]
    assert shelf.uploads.find(job.id) == upload


def test_the_link_is_built_on_the_public_address_and_ends_after_a_day(
    shelf: Shelf, service: UploadService, job: Job
) -> None:
    link = service.link(job)
    assert link.startswith(f"{URL}/files/uploads/{job.id}?")
    shelf.clock.turn(24 * 3600)
    query = parse_qs(urlsplit(link).query)
    with pytest.raises(NotFound, match="ask for a new one"):
        service.begin(job.id, query["expires"][0], query["signature"][0])


def test_another_jobs_link_opens_nothing(shelf: Shelf, service: UploadService, job: Job) -> None:
    other = shelf.drafted("other", data_source=DataRef("file"))
    query = parse_qs(urlsplit(service.link(job)).query)
    with pytest.raises(NotFound):
        service.begin(other.id, query["expires"][0], query["signature"][0])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("in.csv", "in.csv"),
        ("", "told.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\in.csv", "in.csv"),
        ("a\0b\n.csv", "ab.csv"),
        ("..", "input"),
        ("ü" * 200, "ü" * 127),
    ],
)
def test_the_name_is_the_files_own_made_plain(service: UploadService, job: Job, given: str, kept: str) -> None:
    assert sent(service, job, b"x", given).name == kept


def test_a_later_upload_takes_the_place_of_an_earlier_one(shelf: Shelf, service: UploadService, job: Job) -> None:
    sent(service, job, b"first")
    second = sent(service, job, b"second")
    assert [path.read_bytes() for path in stored(shelf, job)] == [b"second"]
    assert shelf.uploads.find(job.id) == second


def test_an_upload_that_is_cut_short_leaves_nothing(shelf: Shelf, service: UploadService, job: Job) -> None:
    kept = sent(service, job, b"kept")
    incoming = begun(service, job)
    incoming.feed(b"half of")
    service.drop(incoming)
    assert [path.read_bytes() for path in stored(shelf, job)] == [b"kept"]
    assert shelf.uploads.find(job.id) == kept


def test_an_upload_that_is_overtaken_by_a_newer_one_ends(shelf: Shelf, service: UploadService, job: Job) -> None:
    older = begun(service, job)
    newer = begun(service, job)
    newer.feed(b"newer")
    with pytest.raises(Conflict, match="newer upload"):
        older.feed(b"older")
    service.drop(older)
    service.finish(newer, "")
    service.drop(newer)
    assert [path.read_bytes() for path in stored(shelf, job)] == [b"newer"]


def test_a_job_whose_upload_is_complete_takes_no_other(shelf: Shelf, service: UploadService, job: Job) -> None:
    late = begun(service, job)
    late.feed(b"late")
    shelf.uploads.put(Upload(job.id, "ann", "n", "elsewhere", 1, "", shelf.clock.now()))
    service.completed("ann", job.id)
    service.completed("ann", job.id)
    with pytest.raises(NotAllowedNow, match="complete"):
        begun(service, job)
    with pytest.raises(Conflict, match="complete"):
        service.finish(late, "")
    service.drop(late)
    assert stored(shelf, job) == []


def test_nothing_is_complete_before_something_came(service: UploadService, job: Job) -> None:
    with pytest.raises(NotAllowedNow, match="nothing was uploaded"):
        service.completed("ann", job.id)


def test_another_accounts_job_is_not_there(service: UploadService, job: Job) -> None:
    with pytest.raises(NotFound):
        service.completed("bob", job.id)


def test_a_job_with_another_source_takes_no_upload(shelf: Shelf, service: UploadService) -> None:
    job = shelf.drafted("other")
    assert service.link(job) == ""
    with pytest.raises(NotAllowedNow):
        service.completed("ann", job.id)


def test_a_job_that_runs_takes_no_upload(shelf: Shelf, service: UploadService, job: Job) -> None:
    link = urlsplit(service.link(job))
    job = shelf.stepped(job.id, ROAD[0])
    assert service.link(job) == ""
    query = parse_qs(link.query)
    with pytest.raises(NotAllowedNow, match="takes no upload"):
        service.begin(job.id, query["expires"][0], query["signature"][0])
