"""Files of ended jobs go in time: the output of `bucket` with its links, the rest after the job's own days."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.jobs.models import JobConfig, Role
from fanfold.pipeline.retention import Retention
from fanfold.services.caller_secrets import CallerSecrets
from tests.shelf import Shelf

DAY_S = 86400.0
OUTPUT = {"x.txt": b"x"}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def retention(shelf: Shelf) -> Retention:
    return Retention(shelf.store, shelf.workspace, CallerSecrets({}), shelf.clock)


def test_an_output_in_the_bucket_goes_with_its_links_and_the_logs_stay(shelf: Shelf, retention: Retention) -> None:
    job = shelf.complete(OUTPUT)
    log = shelf.printed(Role.APP, 0, 1, b"{}\n")
    shelf.clock.turn(2 * DAY_S - 1)
    assert not retention.apply(job)
    assert shelf.output_folder().is_dir()
    shelf.clock.turn(1)
    for _ in range(2):
        assert not retention.apply(job)
        assert not shelf.output_folder().exists()
        assert log.exists()


def test_everything_goes_after_the_days_of_the_job(shelf: Shelf, retention: Retention) -> None:
    job = shelf.complete(OUTPUT, to="bypass", config=JobConfig(retention_days=3))
    shelf.clock.turn(3 * DAY_S - 1)
    assert not retention.apply(job)
    assert shelf.output_folder().is_dir()
    shelf.clock.turn(1)
    assert retention.apply(job)
    assert not shelf.workspace.job("job").path.exists()
    assert retention.apply(job)


def test_links_outlive_shorter_days(shelf: Shelf, retention: Retention) -> None:
    job = shelf.complete(OUTPUT, config=JobConfig(retention_days=0.5))
    shelf.clock.turn(DAY_S)
    assert not retention.apply(job)
    assert shelf.output_folder().is_dir()
    shelf.clock.turn(DAY_S)
    assert retention.apply(job)


def test_a_job_that_has_not_ended_keeps_its_files_for_ever(shelf: Shelf, retention: Retention) -> None:
    job = shelf.drafted()
    shelf.workspace.job("job").make()
    shelf.clock.turn(10_000 * DAY_S)
    assert not retention.apply(job)
    assert shelf.workspace.job("job").path.is_dir()
