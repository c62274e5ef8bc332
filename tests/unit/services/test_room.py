"""What an account stores: its uploads and results, while they are kept."""

from datetime import timedelta

import pytest

from fanfold.errors import OutOfSpace, QuotaExceeded
from fanfold.jobs.models import DataRef, JobConfig
from fanfold.ports.uploads import Upload
from fanfold.services.disk_space import DiskSpace
from fanfold.services.room import ANY, AccountRoom, OneDisk
from fanfold.stores.access import SqlAccess
from fanfold.stores.storage_use import SqlStorageUse
from tests.people import People
from tests.shelf import Shelf
from tests.values import NOON

DAY = timedelta(days=1)


def test_what_is_kept_counts_and_what_is_over_does_not(shelf: Shelf) -> None:
    use = SqlStorageUse(shelf.store.database)
    assert use.stored_bytes("ann", NOON) == 0
    job = shelf.complete({"x": b"12345"}, config=JobConfig(retention_days=3), data_source=DataRef("file"))
    shelf.uploads.put(Upload(job.id, job.account_id, "n", "here", 100, "", NOON))
    kept = use.stored_bytes(job.account_id, NOON + 3 * DAY - timedelta(seconds=1))
    assert kept == 100
    assert use.stored_bytes(job.account_id, NOON + 3 * DAY) == 0
    assert use.stored_bytes("another", NOON) == 0


def test_an_upload_of_a_draft_counts_for_ever(shelf: Shelf) -> None:
    job = shelf.drafted("draft", data_source=DataRef("file"))
    shelf.uploads.put(Upload(job.id, job.account_id, "n", "here", 7, "", NOON))
    assert SqlStorageUse(shelf.store.database).stored_bytes(job.account_id, NOON + 10_000 * DAY) == 7


def test_without_quotas_there_is_any_room_and_with_them_what_is_left(shelf: Shelf, people: People) -> None:
    room = AccountRoom(
        DiskSpace(shelf.root.parent, 0, 0),
        SqlAccess(people.database),
        SqlStorageUse(shelf.store.database),
        shelf.clock,
    )
    assert (room.left("default"), room.most_days("default")) == (ANY, ANY)
    people.access.administration.change_account(people.admin, "default", quotas={"storedBytes": 10, "retentionDays": 2})
    assert (room.left("default"), room.most_days("default")) == (10, 2)
    job = shelf.drafted("draft", account_id="default", data_source=DataRef("file"))
    shelf.uploads.put(Upload(job.id, "default", "n", "here", 4, "", NOON))
    assert room.left("default") == 6
    shelf.uploads.put(Upload(job.id, "default", "n", "there", 10, "", NOON))
    with pytest.raises(QuotaExceeded, match=r"stores 10 bytes and may store 10"):
        room.left("default")


def test_a_full_disk_leaves_no_room_whatever_the_quota(shelf: Shelf) -> None:
    full = DiskSpace(shelf.root.parent, 1000, 2000, free=lambda _: 999)
    with pytest.raises(OutOfSpace):
        OneDisk(full).left("anybody")
