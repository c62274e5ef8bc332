"""The proof of the books: the seals of the ledger, the sums that follow, and whether jobs and attempts agree."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from fanfold.jobs.ledger import FIRST, seal
from fanfold.jobs.lifecycle import ACTIVE
from fanfold.jobs.money import ZERO, Kind, chips, is_hold
from fanfold.ports.wallet import Audit
from fanfold.stores.books import booking_of
from fanfold.stores.database import Connection
from fanfold.stores.schema import attempts, jobs
from fanfold.stores.wallet_tables import charging, ledger, wallets

BATCH = 1000
MOST_TOLD = 20
_ACTIVE = [state.value for state in sorted(ACTIVE)]


def audited(connection: Connection) -> Audit:
    """Read everything once; the first faults in words."""
    books = _Sums()
    faults = [*books.read(connection), *_balances_told(connection, books), *_jobs_told(connection)]
    if len(faults) > MOST_TOLD:
        faults[MOST_TOLD:] = [f"... and {len(faults) - MOST_TOLD:,} more"]
    return Audit(books.seq, books.seal, sum(books.balances.values(), ZERO), tuple(faults))


class _Sums:
    """What the ledger comes to, line by line."""

    def __init__(self) -> None:
        self.balances: dict[str, Decimal] = {}
        self.held: dict[str, Decimal] = {}
        self.seq, self.seal = 0, FIRST

    def read(self, connection: Connection) -> Iterator[str]:
        """What is wrong with the lines themselves."""
        count = BATCH
        while count == BATCH:
            query = sa.select(ledger).where(ledger.c.seq > self.seq).order_by(ledger.c.seq).limit(BATCH)
            rows = connection.execute(query).mappings().all()
            for row in rows:
                if row["seq"] != self.seq + 1:
                    yield f"after line {self.seq} of the ledger comes {row['seq']}"
                yield from self._line(row)
            count = len(rows)

    def _line(self, row: sa.RowMapping) -> Iterator[str]:
        booking = booking_of(row)
        if seal(row["seq"], self.seal, row["at"], booking, row["balance"]) != row["hash"]:
            yield f"line {row['seq']} of the ledger ('{booking.key}') breaks the seal: it, or one before, changed"
        self.seq, self.seal = row["seq"], row["hash"]
        for name, amount in ((booking.source, -booking.amount), (booking.target, booking.amount)):
            self.balances[name] = self.balances.get(name, ZERO) + amount
            if is_hold(name):
                self.held[booking.account_id] = self.held.get(booking.account_id, ZERO) + amount
        total = self.balances.get(booking.account_id, ZERO) + self.held.get(booking.account_id, ZERO)
        if total != row["balance"]:
            yield f"line {row['seq']} tells a balance of {chips(row['balance'])}, the lines come to {chips(total)}"


def _balances_told(connection: Connection, books: _Sums) -> Iterator[str]:
    """Balances that are not what the ledger comes to."""
    if total := sum(books.balances.values(), ZERO):
        yield f"the sum of all accounts is {chips(total)}, not 0"
    told = {row.account: row for row in connection.execute(sa.select(wallets))}
    for name in sorted(books.balances.keys() | told.keys()):
        row, balance = told.get(name), books.balances.get(name, ZERO)
        if (row.balance if row else ZERO) != balance:
            yield f"'{name}' has {chips(row.balance if row else ZERO)}, by the ledger {chips(balance)}"
        held = books.held.get(name, ZERO)
        if (row.held if row else ZERO) != held:
            yield f"of '{name}' {chips(row.held if row else ZERO)} are held, by the ledger {chips(held)}"


def _jobs_told(connection: Connection) -> Iterator[str]:
    """Jobs whose attempts, costs, charges and holds do not agree."""
    since = connection.execute(sa.select(charging.c.since)).scalar()
    metered = sa.func.sum(attempts.c.price)
    costs = dict(_pairs(connection, sa.select(attempts.c.job_id, metered).group_by(attempts.c.job_id)))
    for job_id, paid in _pairs(connection, sa.select(jobs.c.id, jobs.c.payment_amount)):
        if costs.get(job_id, ZERO) != paid:
            yield f"job '{job_id}' tells {chips(paid)}, its attempts cost {chips(costs.get(job_id, ZERO))}"
    if since is None:
        return
    must = sa.select(attempts.c.job_id, metered).where(attempts.c.ended_at >= since).group_by(attempts.c.job_id)
    least = dict(_pairs(connection, must))
    is_charge = ledger.c.kind == Kind.CHARGE.value
    summed = sa.select(ledger.c.job_id, sa.func.sum(ledger.c.amount)).where(is_charge).group_by(ledger.c.job_id)
    charged = dict(_pairs(connection, summed))
    for job_id in sorted(costs.keys() | charged.keys()):
        booked = charged.get(job_id, ZERO)
        if not least.get(job_id, ZERO) <= booked <= costs.get(job_id, ZERO):
            yield f"job '{job_id}' was charged {chips(booked)}, its attempts cost {chips(costs.get(job_id, ZERO))}"
    active = sa.select(jobs.c.id).where(jobs.c.state.in_(_ACTIVE), jobs.c.deleted_at.is_(None))
    running = {f"hold/{job_id}" for job_id in connection.execute(active).scalars()}
    for name in connection.execute(sa.select(wallets.c.account)).scalars():
        if is_hold(name) and name not in running:
            yield f"'{name}' is held for a job that does not run"


def _pairs(connection: Connection, query: sa.Select[Any]) -> Iterator[tuple[str, Decimal]]:
    for row in connection.execute(query):
        yield row[0], row[1] or ZERO
