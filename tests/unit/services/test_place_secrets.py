"""Credentials inside a job's places: sealed before the job is stored, kept by edits that leave them out, never moved to
another server, deleted with the job."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict
from fanfold.jobs.models import DataRef, Job
from fanfold.services.audit import AuditLog
from fanfold.services.block_files import BlockFiles
from fanfold.services.jobs import JobService
from fanfold.services.local_blocks import LocalBlocks
from fanfold.services.packages import Packages
from fanfold.services.place_secrets import NoPlaceSecrets, SealedPlaceSecrets, own_id
from fanfold.services.sealing import Sealer
from fanfold.services.secrets import SecretService
from fanfold.services.validation import Validator
from fanfold.signals import ThreadSignal
from fanfold.stores.access import SqlAccess
from fanfold.stores.schema import jobs
from fanfold.stores.secrets import SqlSecrets
from fanfold.stores.server_tables import secrets
from fanfold.stores.sql import SqlStore
from tests.people import People, people_of_a_server
from tests.values import NOON

VALUE = "wJalrXUtnFEMI/K7MDENG"
S3 = {"bucketName": "b", "name": "in/", "accessKey": "AKIA", "secretKey": VALUE}
WEB = {"url": "https://example.org/x", "username": "ann", "password": VALUE}


class Place:
    """A job service over a database in memory."""

    def __init__(self, people: People, folder: Path) -> None:
        self.people = people
        store = SqlSecrets(people.database)
        sealer = Sealer(folder / "master-key.json", Effects())
        self.secrets = SecretService(store, sealer, AuditLog(SqlAccess(people.database), people.clock), people.clock)
        self.store = SqlStore(people.database)
        blocks = LocalBlocks(Packages(BlockFiles(folder, Effects(), people.clock), Effects()))
        validator = Validator(blocks, lambda ref: None, self.secrets, no_container=lambda _image: "")
        sealed = SealedPlaceSecrets(store, sealer, people.clock)
        self.jobs = JobService(self.store, validator, people.clock, ThreadSignal(), sealed)

    def create(self, job_id: str = "job-1", **places: DataRef) -> Job:
        return self.jobs.create("default", "ann", job_id, **places)

    def ids(self) -> list[str]:
        with self.people.database.reading() as connection:
            return list(connection.execute(sa.select(secrets.c.id)).scalars())

    def stored(self, job_id: str = "job-1") -> dict[str, Any]:
        with self.people.database.reading() as connection:
            return dict(connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().one())

    def value_of(self, ref: DataRef) -> str:
        return self.secrets.find("default", own_id(ref)).secret_key


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with people_of_a_server() as people:
        yield Place(people, tmp_path)


@pytest.mark.parametrize(("kind", "params"), [("aws", S3), ("s3", S3), ("s3-compatible", S3), ("url", WEB)])
def test_credentials_are_sealed_before_the_job_is_stored(place: Place, kind: str, params: dict[str, str]) -> None:
    job = place.create(data_source=DataRef(kind, params))
    assert VALUE not in repr(place.stored())
    assert "AKIA" not in repr(place.stored())
    assert place.value_of(job.data_source) == VALUE
    assert place.value_of(place.store.job("job-1").data_source) == VALUE
    assert place.store.job("job-1").data_source.account_id == "default"


def test_both_spellings_and_both_places_are_sealed(place: Place) -> None:
    snake = {"bucket_name": "b", "access_key": "AKIA", "secret_key": VALUE}
    job = place.create(data_source=DataRef("gcp", snake), data_destination=DataRef("storj", S3))
    assert len(place.ids()) == 2
    assert VALUE not in repr(place.stored())
    found = place.secrets.find("default", own_id(job.data_destination))
    assert (found.access_key, found.secret_key) == ("AKIA", VALUE)


def test_an_edit_that_leaves_credentials_out_keeps_them(place: Place) -> None:
    first = place.create(data_source=DataRef("aws", S3))
    shown = {"bucketName": "b", "name": "other/"}
    edited = place.jobs.edit("default", "job-1", data_source=DataRef("aws", shown))
    assert own_id(edited.data_source) == own_id(first.data_source)
    assert edited.data_source.params["name"] == "other/"
    assert place.ids() == [own_id(first.data_source)]


def test_new_credentials_replace_the_old(place: Place) -> None:
    place.create(data_source=DataRef("aws", S3))
    edited = place.jobs.edit("default", "job-1", data_source=DataRef("aws", {**S3, "secretKey": "another value"}))
    assert place.value_of(edited.data_source) == "another value"
    assert place.ids() == [own_id(edited.data_source)]


def test_an_edit_of_the_destination_leaves_the_source_alone(place: Place) -> None:
    first = place.create(data_source=DataRef("aws", S3))
    edited = place.jobs.edit("default", "job-1", data_destination=DataRef("aws", S3))
    assert edited.data_source == first.data_source
    assert len(place.ids()) == 2


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("url", {"url": "https://evil.example/x", "username": "ann"}),
        ("url", {"url": "http://example.org/x", "username": "ann"}),
        ("url", {"url": "https://example.org/x", "username": "bob"}),
        ("url", {"url": "https://example.org/x", "username": "ann", "password": ""}),
        ("bypass", {}),
    ],
)
def test_a_password_does_not_follow_to_another_place(place: Place, kind: str, params: dict[str, str]) -> None:
    place.create(data_source=DataRef("url", WEB))
    edited = place.jobs.edit("default", "job-1", data_source=DataRef(kind, params))
    assert own_id(edited.data_source) == ""
    assert place.ids() == []


def test_a_key_does_not_follow_to_another_endpoint(place: Place) -> None:
    place.create(data_source=DataRef("s3-compatible", {**S3, "endpointUrl": "https://one.example"}))
    other = {"bucketName": "b", "name": "in/", "endpointUrl": "https://two.example"}
    assert own_id(place.jobs.edit("default", "job-1", data_source=DataRef("s3-compatible", other)).data_source) == ""


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        ("local", {"path": "/x", "password": VALUE}, "takes no such credential"),
        ("url", {"url": "https://h/", "secretKey": VALUE}, "takes no such credential"),
        ("aws", {"bucketName": "b", "secretKey": VALUE}, "accessKey: is missing"),
        ("aws", {"bucketName": "b", "accessKey": VALUE}, "secretKey: is missing"),
        ("aws", {**S3, "secretKey": [VALUE]}, "expected a text"),
        ("aws", {**S3, "secret_id": "mine"}, "either a secret's id or credentials"),
        ("url", {"url": f"https://ann:{VALUE}@h/x"}, "has a user in it"),
        ("url", {"url": f"https:\\\\ann:{VALUE}@h/x"}, "has a user in it"),
        ("aws", {"bucketName": "b", "secret_id": "job:job-1:00"}, "not the id of a secret of yours"),
    ],
)
def test_what_does_not_fit_is_refused_in_words_and_stored_nowhere(
    place: Place, kind: str, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        place.create(data_source=DataRef(kind, params))
    assert said in str(refused.value)
    assert VALUE not in str(refused.value)
    assert place.ids() == []


def test_a_job_that_could_not_be_made_leaves_nothing(place: Place) -> None:
    place.create()
    with pytest.raises(Conflict):
        place.create(data_source=DataRef("aws", S3))
    assert place.ids() == []


def test_credentials_go_with_their_job(place: Place) -> None:
    place.create(data_source=DataRef("aws", S3), data_destination=DataRef("aws", S3))
    place.create("job-2", data_source=DataRef("aws", S3))
    place.jobs.delete("default", "job-1", "ann")
    assert len(place.ids()) == 1
    assert place.ids()[0].startswith("job:job-2:")


def test_what_a_killed_process_left_goes_at_the_next_start_and_nothing_else(place: Place) -> None:
    kept = place.create(data_source=DataRef("aws", S3), data_destination=DataRef("gcp", S3))
    store, sealed = place.store, place.jobs._secrets
    sealed.sealed(Job("never-made", "default", created_at=kept.created_at, data_source=DataRef("aws", S3)))
    sealed.sealed(replace(kept, data_source=DataRef("aws", S3), data_destination=DataRef()), kept)
    assert len(place.ids()) == 4
    place.secrets.clear_up()
    assert sorted(place.ids()) == sorted({own_id(kept.data_source), own_id(kept.data_destination)})
    assert place.value_of(store.job("job-1").data_source) == VALUE


def test_a_jobs_own_credentials_are_not_among_the_accounts_secrets(place: Place) -> None:
    place.create(data_source=DataRef("aws", S3))
    assert place.secrets.listed(place.people.admin) == []


def test_without_a_server_credentials_are_refused() -> None:
    job = Job("j", "a", created_at=NOON, data_source=DataRef("local", {"path": "/x", "secretKey": VALUE}))
    with pytest.raises(BadInput, match="kept by servers only"):
        NoPlaceSecrets().sealed(job)


def test_a_jobs_credentials_go_when_its_files_are_gone_for_good(place: Place) -> None:
    job = place.create(data_source=DataRef("url", WEB), data_destination=DataRef("s3", S3))
    other = place.create("job-2", data_source=DataRef("url", WEB))
    for _ in range(2):
        place.secrets.job_over(job)
        assert place.ids() == [own_id(other.data_source)]
