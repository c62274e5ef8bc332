"""What must never be is counted, and told in words once."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fanfold.errors import Unavailable
from fanfold.jobs.models import JobState
from fanfold.pipeline.invariant_watch import EVERY_S, TIMES, InvariantWatch
from fanfold.stores.schema import jobs
from tests.conformance.scenes import brought_to
from tests.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.store.close()


def deadline(shelf: Shelf, value: Any) -> None:
    with shelf.store.database.writing("a deadline") as connection:
        connection.execute(sa.update(jobs).values(deadline_at=value))


def test_what_must_not_be_is_counted_and_told_once(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    job, watch = brought_to(shelf.store, JobState.PARTITIONED), InvariantWatch(shelf.store, shelf.clock)
    assert watch.broken is None
    assert watch.turn() >= EVERY_S
    assert watch.broken == 0
    deadline(shelf, None)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            watch.turn()
    assert watch.broken == 1
    assert [record.getMessage() for record in caplog.records] == [
        "a promise about jobs is broken: unfinished job without a deadline: job job. Type: fanfold db check"
    ]
    deadline(shelf, job.deadline_at)
    watch.turn()
    assert watch.broken == 0


@pytest.mark.parametrize(("error", "level"), [(Unavailable("away"), "WARNING"), (ValueError("a defect"), "ERROR")])
def test_a_count_that_fails_is_told_and_leaves_no_older_number(
    shelf: Shelf,
    error: Exception,
    level: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch, took_s = InvariantWatch(shelf.store, shelf.clock), EVERY_S
    watch.turn()
    assert watch.broken == 0

    def fails() -> list[str]:
        shelf.clock.turn(took_s)
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(shelf.store, "violations", fails)
        assert watch.turn() == TIMES * took_s
    assert watch.broken is None
    assert [record.levelname for record in caplog.records] == [level]
    watch.turn()
    assert watch.broken == 0
