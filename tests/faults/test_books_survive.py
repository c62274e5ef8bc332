"""R17: the server is killed at random moments while jobs run; the books equal what task usage comes to, to the last
digit, by a computation of its own."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.stores.books import Books
from fanfold.stores.sqlite import SqliteDatabase
from fanfold.stores.wallet import SqlWallet
from tests.compat.server import until
from tests.faults.hounded import Hounded, hounded
from tests.faults.test_accepted_jobs import COMPLETE, Callers

SEED = 20260117
RATE = 1_000_000
GIVEN = 10**9
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
        fields = place.push()
        account = place.answered("GET", "/v1/wallet/balance")["accountId"]
        place.answered("POST", "/v1/wallet/enable", json={"enabled": True})
        place.answered("POST", "/v1/wallet/prices", json={"rate": RATE})
        place.answered(
            "POST",
            "/v1/wallet/top_up",
            json={"accountId": account, "amount": GIVEN},
            headers={"Idempotency-Key": "first"},
        )
        callers = Callers(place, jobs, fields)
        crowd = threading.Thread(target=callers.submit_all)
        crowd.start()
        place.kill_during(kills, lambda: completed(place) / jobs)
        crowd.join()
        until("all jobs are complete", lambda: completed(place) == jobs, ENDED_WITHIN_S)
        ids = set(callers.ids.values())
        assert place.kills >= kills
    compared(place.server.database, ids, account)


def completed(place: Hounded) -> int:
    return place.count(states=COMPLETE)


def compared(database: Path, ids: set[str], account: str) -> None:
    """Everything again from the attempts, with fractions, in SQL of its own."""
    with closing(sqlite3.connect(database)) as found:
        attempts = found.execute(
            "SELECT job_id, role, chunk_index, fence, outcome, run_us, started_at, price FROM attempts"
        ).fetchall()
        charges = found.execute("SELECT entity, amount FROM ledger WHERE kind = 'charge'").fetchall()
        paid = dict(found.execute("SELECT id, payment_amount FROM jobs").fetchall())
        moves = found.execute("SELECT source, target, amount FROM ledger").fetchall()
        told = dict(found.execute("SELECT account, balance FROM wallets").fetchall())
    owed: dict[str, int] = {}
    per_job = dict.fromkeys(paid, 0)
    for job_id, role, index, fence, outcome, run_us, started_at, price in attempts:
        charged = outcome in ("Succeeded", "ProgramFailed") and started_at is not None
        units = round(Fraction(run_us * RATE * 10**8, 3_600_000_000)) if charged else 0
        assert price == units, (job_id, index, fence)
        per_job[job_id] += units
        if units:
            prefix = "" if role == "app" else f"{role}-"
            owed[f"{job_id}-{prefix}{index}.{fence}"] = units
    assert len(charges) == len(owed)
    assert dict(charges) == owed
    assert per_job == paid
    assert set(per_job) == ids
    sums: dict[str, int] = {}
    for source, target, amount in moves:
        assert amount > 0
        sums[source] = sums.get(source, 0) - amount
        sums[target] = sums.get(target, 0) + amount
    assert sum(sums.values()) == 0
    assert {name: amount for name, amount in sums.items() if amount} == {
        name: amount for name, amount in told.items() if amount
    }
    assert sums[account] == GIVEN * 10**8 - sum(owed.values())
    assert owed, "nothing was charged, so nothing was compared"
    assert proved(database) == ()


def proved(database: Path) -> tuple[str, ...]:
    opened = SqliteDatabase(database, Effects())
    try:
        return SqlWallet(opened, Books()).audit().faults
    finally:
        opened.close()
