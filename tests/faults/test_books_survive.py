"""R17: the server is killed at random moments while jobs run; the books equal what task usage comes to, to the last
digit, by a computation of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.stores.books import Books
from fanfold.stores.sqlite import SqliteDatabase
from fanfold.stores.wallet import SqlWallet
from tests.compat.server import until
from tests.faults.callers import COMPLETE, Callers
from tests.faults.compared_books import charge, compared
from tests.faults.hounded import Hounded, hounded

SEED = 20260117
ENDED_WITHIN_S = 600.0


@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(12, 3, marks=pytest.mark.timeout(180)),
        pytest.param(200, 50, marks=[pytest.mark.heavy, pytest.mark.timeout(3600)]),
    ],
)
def test_books_of_a_server_that_is_killed_equal_what_its_tasks_used(tmp_path: Path, jobs: int, kills: int) -> None:
    with hounded(tmp_path, SEED) as place:
        account = charge(place.door)
        callers = Callers(place, jobs, place.push())
        callers.submit_while_killed(kills, lambda: completed(place) / jobs)
        until("all jobs are complete", lambda: completed(place) == jobs, ENDED_WITHIN_S)
        ids = set(callers.ids.values())
    with closing(sqlite3.connect(place.server.database)) as found:
        compared(lambda sql: found.execute(sql).fetchall(), ids, account)
    assert proved(place.server.database) == ()


def completed(place: Hounded) -> int:
    return place.count(states=COMPLETE)


def proved(database: Path) -> tuple[str, ...]:
    opened = SqliteDatabase(database, Effects())
    try:
        return SqlWallet(opened, Books()).audit().faults
    finally:
        opened.close()
