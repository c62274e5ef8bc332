"""Everything in the books again from the attempts, with fractions, in SQL of its own."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.compat.server import Door, json_of

RATE = 1_000_000
"""Chips for an hour: short programs cost something."""

GIVEN = 10**9
Ask = Callable[[str], list[tuple[Any, ...]]]


def charge(door: Door) -> str:
    """Charge for what runs from now on, an account that owns enough; whose it is."""
    account = str(json_of(door.get("/v1/wallet/balance"))["accountId"])
    json_of(door.post("/v1/wallet/enable", json={"enabled": True}))
    json_of(door.post("/v1/wallet/prices", json={"rate": RATE}))
    given = {"accountId": account, "amount": GIVEN}
    json_of(door.post("/v1/wallet/top_up", json=given, headers={"Idempotency-Key": "first"}))
    return account


def compared(ask: Ask, ids: set[str], account: str) -> None:
    """The books are what these jobs, all that there are, used; each charge is booked once. `ask` runs SQL."""
    charges = ask("SELECT entity, amount FROM ledger WHERE kind = 'charge'")
    paid = dict(ask("SELECT id, payment_amount FROM jobs"))
    owed: dict[str, int] = {}
    per_job = dict.fromkeys(paid, 0)
    for job_id, role, index, fence, outcome, run_us, started_at, price in ask(
        "SELECT job_id, role, chunk_index, fence, outcome, run_us, started_at, price FROM attempts"
    ):
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
    sums = _sums(ask)
    assert sums[account] == GIVEN * 10**8 - sum(owed.values())
    assert owed, "nothing was charged, so nothing was compared"


def _sums(ask: Ask) -> dict[str, int]:
    """What every account has by the moves of the ledger, which is what is told of it."""
    sums: dict[str, int] = {}
    for source, target, amount in ask("SELECT source, target, amount FROM ledger"):
        assert amount > 0
        sums[source] = sums.get(source, 0) - amount
        sums[target] = sums.get(target, 0) + amount
    assert sum(sums.values()) == 0
    told = dict(ask("SELECT account, balance FROM wallets"))
    assert {name: amount for name, amount in sums.items() if amount} == {
        name: amount for name, amount in told.items() if amount
    }
    return sums
