"""A finished job's output: each file by a link, for 48 hours, and never a file that is not in its manifest."""

import io
import os
import zipfile
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from fanfold.errors import NotFound
from fanfold.jobs.lifecycle import Deleted
from fanfold.jobs.models import Job, JobState
from fanfold.services.results import OpenResult, ResultLink, ResultService
from fanfold.services.zipping import PIECE_BYTES
from tests.shelf import URL, Shelf
from tests.values import NOON, after

OUTPUT = {"b.txt": b"bb", "deep/ä b.csv": b"a,b\n"}
TWO_DAYS_S = 48 * 3600


@pytest.fixture
def service(shelf: Shelf) -> ResultService:
    return ResultService(shelf.store, shelf.workspace, shelf.clock, shelf.signer, URL)


def opened(service: ResultService, link: ResultLink) -> OpenResult:
    split = urlsplit(link.link)
    job_id, round_, name = unquote(split.path).removeprefix("/files/results/").split("/", 2)
    query = parse_qs(split.query)
    return service.open(job_id, int(round_), name, query["expires"][0], query["signature"][0])


def test_every_file_is_listed_by_name_with_size_sum_and_times(shelf: Shelf, service: ResultService) -> None:
    links = service.listed(shelf.complete(OUTPUT))
    assert [(link.name, link.size_bytes) for link in links] == [("b.txt", 2), ("deep/ä b.csv", 4)]
    assert all(len(link.sha256) == 64 and link.link.startswith(URL) for link in links)
    assert {(link.created_at, link.expires_at) for link in links} == {(NOON, after(TWO_DAYS_S))}


def test_a_link_opens_its_file(shelf: Shelf, service: ResultService) -> None:
    for link in service.listed(shelf.complete(OUTPUT)):
        found = opened(service, link)
        with found.file as file:
            assert file.read() == OUTPUT[link.name]
        assert (found.name, found.sha256) == (link.name, link.sha256)


def test_all_files_come_as_one_archive(shelf: Shelf, service: ResultService) -> None:
    job = shelf.complete(OUTPUT)
    pieces = archived(service, job)
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == OUTPUT
        assert {entry.date_time for entry in archive.infolist()} == {(2031, 5, 4, 12, 0, 0)}


def test_a_large_archive_is_made_piece_by_piece(shelf: Shelf, service: ResultService) -> None:
    job = shelf.complete({"large.bin": b"x" * (5 * PIECE_BYTES)})
    sizes = [len(piece) for piece in archived(service, job)]
    assert len(sizes) == 6
    assert max(sizes) < PIECE_BYTES + 1000


def test_an_archive_needs_its_own_link_and_ends_with_it(shelf: Shelf, service: ResultService) -> None:
    job = shelf.complete(OUTPUT)
    query = parse_qs(urlsplit(service.listed(job)[0].link).query)
    with pytest.raises(NotFound, match="not one that this server gave out"):
        service.archive(job.id, 1, query["expires"][0], query["signature"][0])
    link = service.archive_link(job)
    shelf.clock.turn(TWO_DAYS_S)
    assert service.archive_link(job) == ""
    with pytest.raises(NotFound, match="was good until"):
        archived(service, job, link)


def archived(service: ResultService, job: Job, link: str = "") -> list[bytes]:
    split = urlsplit(link or service.archive_link(job))
    job_id, round_ = split.path.removeprefix("/files/archives/").split("/")
    query = parse_qs(split.query)
    return list(service.archive(job_id, int(round_), query["expires"][0], query["signature"][0]))


def test_links_end_after_two_days(shelf: Shelf, service: ResultService) -> None:
    job = shelf.complete(OUTPUT)
    link = service.listed(job)[0]
    shelf.clock.turn(TWO_DAYS_S)
    assert service.listed(job) == []
    with pytest.raises(NotFound, match="was good until"):
        opened(service, link)


def test_nothing_is_listed_before_the_job_is_complete(shelf: Shelf, service: ResultService) -> None:
    job = shelf.drafted()
    assert job.state is JobState.NEW
    assert service.listed(job) == []


def test_an_output_that_went_elsewhere_has_no_links(shelf: Shelf, service: ResultService) -> None:
    assert service.listed(shelf.complete(OUTPUT, to="local")) == []


def test_a_link_of_a_deleted_job_opens_nothing(shelf: Shelf, service: ResultService) -> None:
    link = service.listed(shelf.complete(OUTPUT))[0]
    shelf.stepped("job", Deleted("ann"))
    with pytest.raises(NotFound, match="deleted"):
        opened(service, link)


def test_a_file_that_was_removed_is_said_to_be(shelf: Shelf, service: ResultService) -> None:
    link = service.listed(shelf.complete(OUTPUT))[0]
    (shelf.output_folder() / link.name).unlink()
    with pytest.raises(NotFound, match="was removed"):
        opened(service, link)


def test_a_link_in_the_place_of_a_file_is_not_followed(shelf: Shelf, service: ResultService) -> None:
    flat, deep = service.listed(shelf.complete(OUTPUT))
    secret = shelf.root / "secret"
    secret.mkdir()
    (secret / "ä b.csv").write_text("secret")
    (shelf.output_folder() / flat.name).unlink()
    (shelf.output_folder() / flat.name).symlink_to(secret / "ä b.csv")
    (shelf.output_folder() / deep.name).unlink()
    (shelf.output_folder() / "deep").rmdir()
    (shelf.output_folder() / "deep").symlink_to(secret)
    for link in (flat, deep):
        with pytest.raises(NotFound):
            opened(service, link)


def test_a_pipe_in_the_place_of_a_file_does_not_hold_the_server_up(shelf: Shelf, service: ResultService) -> None:
    link = service.listed(shelf.complete(OUTPUT))[0]
    (shelf.output_folder() / link.name).unlink()
    os.mkfifo(shelf.output_folder() / link.name)
    with pytest.raises(NotFound):
        opened(service, link)


def test_a_name_that_is_signed_but_in_no_manifest_is_not_found(shelf: Shelf, service: ResultService) -> None:
    shelf.complete(OUTPUT)
    path = "/files/results/job/1/../../../fanfold.db"
    query = parse_qs(urlsplit(shelf.signer.link(path, after(60))).query)
    with pytest.raises(NotFound, match="no output file"):
        service.open("job", 1, "../../../fanfold.db", query["expires"][0], query["signature"][0])
