"""The source `file` and the destination `bucket`: what a server keeps for its users."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.datasources.bucket import Bucket
from fanfold.datasources.upload import UploadedFile
from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.ports.datasource import OutputFile, Staging
from fanfold.ports.uploads import Upload
from fanfold.stores.sqlite import SqliteDatabase
from fanfold.stores.uploads import SqlUploads
from tests.values import NOON

FILE = DataRef("file")
UPLOAD = Upload("job", "ann", "in.csv", "stored", 4, "0" * 64, NOON)


@pytest.fixture
def uploads() -> Iterator[SqlUploads]:
    database = SqliteDatabase(None, Effects())
    yield SqlUploads(database)
    database.close()


@pytest.fixture
def source(uploads: SqlUploads) -> UploadedFile:
    return UploadedFile(Effects(), uploads)


def staging(folder: Path) -> Staging:
    return Staging("job", folder, lambda: False)


def test_a_job_whose_upload_is_complete_has_its_one_file(
    uploads: SqlUploads, source: UploadedFile, tmp_path: Path
) -> None:
    uploads.put(UPLOAD)
    uploads.complete("job", NOON)
    (tmp_path / "stored").write_bytes(b"a,b\n")
    source.check_source(FILE, "job")
    [file] = source.list_source(FILE, staging(tmp_path))
    assert (file.name, file.location, file.size_bytes) == ("in.csv", str(tmp_path / "stored"), 4)


def test_a_job_without_upload_is_told_where_to_put_it(source: UploadedFile) -> None:
    with pytest.raises(BadInput, match=r"PUT the file to dataSource\.params\.tempUrl"):
        source.check_source(FILE, "job")


def test_an_upload_that_is_not_declared_complete_does_not_count(uploads: SqlUploads, source: UploadedFile) -> None:
    uploads.put(UPLOAD)
    with pytest.raises(BadInput, match="call uploadcompleted"):
        source.check_source(FILE, "job")


def test_another_jobs_upload_does_not_count(uploads: SqlUploads, source: UploadedFile) -> None:
    uploads.put(replace(UPLOAD, job_id="other"))
    uploads.complete("other", NOON)
    with pytest.raises(BadInput, match="nothing was uploaded"):
        source.check_source(FILE, "job")


def test_a_file_that_was_removed_is_said_to_be(uploads: SqlUploads, source: UploadedFile, tmp_path: Path) -> None:
    uploads.put(UPLOAD)
    uploads.complete("job", NOON)
    with pytest.raises(BadInput, match="was removed"):
        list(source.list_source(FILE, staging(tmp_path)))


def test_a_link_that_a_client_sends_back_is_ignored_and_other_params_are_not(source: UploadedFile) -> None:
    source.check_source(DataRef("file", {"name": "x", "tempUrl": "http://x", "temp_url": None}), "")
    with pytest.raises(BadInput, match=r"params\.path: is unknown"):
        source.check_source(DataRef("file", {"path": "/etc/passwd"}), "")


def test_each_works_in_one_direction_only(source: UploadedFile, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a source only"):
        source.check_destination(FILE)
    with pytest.raises(BadInput, match="a destination only"):
        Bucket(Effects()).check_source(DataRef("bucket"), "job")
    with pytest.raises(BadInput, match="a destination only"):
        list(Bucket(Effects()).list_source(DataRef("bucket"), staging(tmp_path)))


def test_a_bucket_counts_the_output_and_leaves_it_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    output = [OutputFile(str(tmp_path / "x"), ResultFile("x", 3))]
    bucket, ref = Bucket(Effects()), DataRef("bucket")
    bucket.check_destination(ref)
    assert bucket.deliver(ref, "job", output, lambda: False) == (1, 3)
    bucket.take_back(ref, "job")
    assert (tmp_path / "x").read_bytes() == b"abc"


def test_a_bucket_takes_no_params() -> None:
    with pytest.raises(BadInput, match="'bucket' knows none"):
        Bucket(Effects()).check_destination(DataRef("bucket", {"bucketName": "mine"}))
