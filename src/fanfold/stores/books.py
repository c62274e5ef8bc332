"""The books: bookings written in the transaction of what causes them, and what a job's attempts cost.

Everything here happens inside a write transaction of somebody else, and writers take turns: what is read cannot change
before it is written. While a server does not charge, nothing of this asks or writes anything: attempts are metered by
arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from fanfold.errors import BalanceTooLow, Broken
from fanfold.jobs.blocks import Device, read_manifest
from fanfold.jobs.ledger import FIRST, entry
from fanfold.jobs.lifecycle import Step
from fanfold.jobs.models import Job, JobState, PinnedBlock, Role, TaskKey
from fanfold.jobs.money import (
    LARGEST,
    PLATFORM_FAILED,
    STANDARD,
    ZERO,
    Booking,
    Kind,
    Meter,
    Price,
    Resource,
    Tariff,
    below_since,
    charge,
    hold_of,
    is_charged,
    is_hold,
    release,
    too_low,
)
from fanfold.jobs.task_lifecycle import CLAIMED
from fanfold.ports.store import Finished
from fanfold.stores.database import Connection
from fanfold.stores.rows import job_of
from fanfold.stores.schema import Chips, UtcTime, attempts, jobs, tasks
from fanfold.stores.wallet_tables import charging, ledger, prices, wallets

METERS_KNOWN = 10_000
AT_ONCE = 500
MOST = LARGEST * 90
"""What a ledger account may come to, either way: less than the database's numbers hold."""

MEND = "Ask an administrator for a top-up, redeem a coupon, or run less."
_CLAIMED = [state.value for state in sorted(CLAIMED)]


@dataclass(slots=True)
class Account:
    """What a ledger account comes to; `held` is what holds keep of it."""

    name: str
    balance: Decimal = ZERO
    held: Decimal = ZERO
    below_since: datetime | None = None
    is_new: bool = True

    @property
    def total(self) -> Decimal:
        """What it owns."""
        return self.balance + self.held


class Books:
    """What the writers of one database know of money. What it remembers is read again after `forget`."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._tariff = STANDARD
        self._is_read = False
        self._knows_meters = True
        self._meters: dict[str, Meter] = {}
        self._devices: dict[tuple[str, str, int, str], Device] = {}

    def forget(self) -> None:
        """The price list, whether this server charges, or what a job's blocks ask for may have changed. From any
        thread."""
        self._is_read = self._knows_meters = False

    def charges(self, connection: Connection) -> bool:
        """Whether this server charges."""
        self._read(connection)
        return self._since is not None

    def tariff(self, connection: Connection) -> Tariff:
        """The price list."""
        self._read(connection)
        return self._tariff

    def _read(self, connection: Connection) -> None:
        if not self._is_read:
            self._since = connection.execute(sa.select(charging.c.since)).scalar()
            self._tariff = tariff_of(connection)
            self._is_read = True

    # ---- metering

    def note(self, job: Job) -> None:
        """A round of a job begins: who pays for it, and which devices its blocks ask for."""
        if len(self._meters) >= METERS_KNOWN:
            self._meters.clear()
        blocks = {role.value: job.blocks.of(role) for role in Role} if job.blocks else {}
        devices = {role: self._device(block) for role, block in blocks.items()}
        self._meters[job.id] = Meter(job.account_id, devices, job.config.is_test_job)

    def meter(self, connection: Connection, job_id: str) -> Meter:
        """Who pays for a job's programs."""
        if not self._knows_meters:
            self._knows_meters = True
            self._meters.clear()
        if job_id not in self._meters:
            self.note(job_of(connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().one()))
        return self._meters[job_id]

    def _device(self, block: PinnedBlock) -> Device:
        key = (block.id, block.version, block.revision, block.sha256)
        if key not in self._devices:
            if len(self._devices) >= METERS_KNOWN:
                self._devices.clear()
            self._devices[key] = read_manifest(block.manifest).device
        return self._devices[key]

    def priced(self, connection: Connection, changes: Sequence[Finished]) -> list[Finished]:
        """The ends of attempts with what each costs."""
        return [replace(change, price=self._price(connection, change)) for change in changes]

    def _price(self, connection: Connection, change: Finished) -> Decimal:
        outcome, key = change.outcome, change.before.key
        if not is_charged(outcome):
            return ZERO
        meter = self.meter(connection, key.job_id)
        started, ran_us = outcome.started_at, outcome.usage.run_us
        return meter.price(self.tariff(connection), key.role, change.after.region, started, ran_us)

    def cut_off(self, connection: Connection, job: Job, at: datetime) -> list[Booking]:
        """Meter the programs of a job that is ended while they run; their attempts are on record already. What the
        platform ended costs nothing."""
        if job.failure_reason in PLATFORM_FAILED:
            return []
        self.note(job)
        meter = self.meter(connection, job.id)
        cut = [
            _Cut(Role(row.role), row.chunk_index, row.fence, row.run_us, price)
            for row in connection.execute(_RUNNING, {"of_job": job.id, "at": at}).all()
            if (price := meter.price(self.tariff(connection), Role(row.role), row.region, row.started_at, row.run_us))
        ]
        if not cut:
            return []
        for table in (attempts, tasks):
            connection.execute(_metered(table), [one.values(job.id) for one in cut])
        apps = [one.price for one in cut if one.role is Role.APP]
        connection.execute(_paid(job.id, sum((one.price for one in cut), ZERO), sum(apps, ZERO), len(apps)))
        return [charge(job.account_id, TaskKey(job.id, one.role, one.index), one.fence, one.price) for one in cut]

    # ---- booking

    def charge(self, connection: Connection, won: Sequence[Finished], accounts: Mapping[str, str]) -> None:
        """Charge what the attempts cost, in a server that charges."""
        paid = [change for change in won if change.price]
        if not paid or not self.charges(connection):
            return
        bookings = []
        for change in paid:
            key, fence = change.before.key, change.before.fence
            bookings.append(charge(accounts[key.job_id], key, fence, change.price))
        self._post_charges(connection, bookings, max(change.outcome.at for change in paid))

    def book(self, connection: Connection, step: Step, cut: Sequence[Booking]) -> None:
        """What a step of a job causes: its own bookings, the charges of programs that it cut off, and at its end the
        release of what is left of its hold."""
        if not self.charges(connection):
            return
        if step.bookings:
            self.post(connection, step.bookings, step.at)
        if cut:
            self._post_charges(connection, cut, step.at)
        if step.after.state in _ENDED or step.after.deleted_at is not None:
            job = step.after
            left = _accounts(connection, [hold_of(job.id)])[hold_of(job.id)].balance
            if left:
                self.post(connection, [release(job.account_id, job.id, f"end/{job.round}", left)], step.at)

    def _post_charges(self, connection: Connection, charges: Sequence[Booking], at: datetime) -> None:
        """Charge attempts, and give as much of their jobs' holds back before."""
        held = _accounts(connection, {hold_of(one.job_id) for one in charges})
        bookings: list[Booking] = []
        for one in charges:
            place = held[hold_of(one.job_id)]
            if back := min(place.balance, one.amount):
                place.balance -= back
                bookings.append(release(one.account_id, one.job_id, one.entity, back))
            bookings.append(one)
        self.post(connection, bookings, at)

    def post(self, connection: Connection, bookings: Sequence[Booking], at: datetime) -> list[Booking]:
        """Write bookings in order, each once for its key; returns those that were written. BalanceTooLow, with nothing
        written, where one may not be made."""
        known = _known_keys(connection, [booking.key for booking in bookings])
        names = {name for booking in bookings for name in (booking.account_id, booking.source, booking.target)}
        places = _accounts(connection, names)
        last = connection.execute(_LAST).first()
        before = (last.seq, last.hash) if last else (0, FIRST)
        rows, written = [], []
        for booking in bookings:
            if booking.key in known:
                continue
            _check(booking, places[booking.account_id], at)
            if not booking.amount:
                continue
            known.add(booking.key)
            _move(booking, places, at)
            line = entry(before, at, booking, places[booking.account_id].total)
            before = (line.seq, line.hash)
            rows.append(_row(booking, line.seq, at, line.balance, line.hash))
            written.append(booking)
        if rows:
            connection.execute(sa.insert(ledger), rows)
            touched = {name for one in written for name in (one.account_id, one.source, one.target)}
            _write_accounts(connection, [places[name] for name in sorted(touched)])
        return written


@dataclass(frozen=True, slots=True)
class _Cut:
    """One attempt that was ended by the end of its job."""

    role: Role
    index: int
    fence: int
    run_us: int
    price: Decimal

    def values(self, job_id: str) -> dict[str, Any]:
        """For `_metered`."""
        told = {"of_job": job_id, "of_role": self.role.value, "of_index": self.index, "of_fence": self.fence}
        return told | {"ran_us": self.run_us, "cost": self.price}


def _check(booking: Booking, account: Account, at: datetime) -> None:
    """Raise where a booking may not be made."""
    if booking.amount < 0 or booking.amount > LARGEST:
        raise Broken(f"the booking '{booking.key}' is of {booking.amount} chips")
    if booking.grace is None:
        return
    if why := too_low(account.balance, booking.amount, account.below_since, at, booking.grace):
        raise BalanceTooLow(f"account '{booking.account_id}' cannot pay for it: {why}.", hint=MEND)


def _move(booking: Booking, places: Mapping[str, Account], at: datetime) -> None:
    source, target, owner = (places[name] for name in (booking.source, booking.target, booking.account_id))
    source.balance -= booking.amount
    target.balance += booking.amount
    if is_hold(booking.target):
        owner.held += booking.amount
    if is_hold(booking.source):
        owner.held -= booking.amount
    if max(abs(source.balance), abs(target.balance)) > MOST:
        raise BalanceTooLow(f"a balance would pass {MOST:,f} chips, the most that can be counted")
    owner.below_since = below_since(owner.total, owner.below_since, at, booking.kind)


def _accounts(connection: Connection, names: Iterable[str]) -> dict[str, Account]:
    """Ledger accounts by name; those that nothing was booked on are new and empty."""
    found = {name: Account(name) for name in names}
    listed = sorted(found)
    for start in range(0, len(listed), AT_ONCE):
        some = listed[start : start + AT_ONCE]
        for row in connection.execute(sa.select(wallets).where(wallets.c.account.in_(some))):
            found[row.account] = Account(row.account, row.balance, row.held, row.below_since, is_new=False)
    return found


def _write_accounts(connection: Connection, places: Sequence[Account]) -> None:
    """A hold that is used up is no account any more."""
    gone = [place.name for place in places if is_hold(place.name) and not place.balance and not place.is_new]
    kept = [place for place in places if not is_hold(place.name) or place.balance]
    if new := [place for place in kept if place.is_new]:
        connection.execute(sa.insert(wallets), [{"account": one.name, **_values(one)} for one in new])
    if changed := [place for place in kept if not place.is_new]:
        told = [{"of_account": one.name, **{f"new_{name}": at for name, at in _values(one).items()}} for one in changed]
        connection.execute(_CHANGE, told)
    if gone:
        connection.execute(sa.delete(wallets).where(wallets.c.account.in_(gone)))


def _values(place: Account) -> dict[str, Any]:
    return {"balance": place.balance, "held": place.held, "below_since": place.below_since}


def _known_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        found |= set(connection.execute(sa.select(ledger.c.key).where(ledger.c.key.in_(some))).scalars())
    return found


def _row(booking: Booking, seq: int, at: datetime, balance: Decimal, seal: str) -> dict[str, Any]:
    plain = ("key", "account_id", "source", "target", "amount", "job_id", "entity", "notes")
    told = {name: getattr(booking, name) for name in plain}
    more = {"kind": booking.kind.value, "data": dict(booking.data), "balance": balance, "hash": seal}
    return {"seq": seq, "at": at, **told, **more}


def booking_of(row: Mapping[Any, Any]) -> Booking:
    """A booking from its row."""
    plain = ("key", "account_id", "source", "target", "amount", "job_id", "entity", "notes", "data")
    return Booking(**{name: row[name] for name in plain}, kind=Kind(row["kind"]))


def tariff_of(connection: Connection) -> Tariff:
    """The price list."""
    rows = connection.execute(sa.select(prices).order_by(prices.c.valid_from, prices.c.id)).mappings()
    return Tariff(tuple(price_of(row) for row in rows))


def price_of(row: Mapping[Any, Any]) -> Price:
    """A line of the price list from its row."""
    return Price(**{**row, "rate": Decimal(row["rate"]), "resource": Resource(row["resource"])})


_ENDED = (JobState.COMPLETE, JobState.FAILED)
_LAST = sa.select(ledger.c.seq, ledger.c.hash).order_by(ledger.c.seq.desc()).limit(1)
_CHANGE = (
    sa.update(wallets)
    .where(wallets.c.account == sa.bindparam("of_account"))
    .values(
        {name: sa.bindparam(f"new_{name}", type_=wallets.c[name].type) for name in ("balance", "held", "below_since")}
    )
)
_AT = sa.bindparam("at", type_=UtcTime)
_RAN_US = sa.cast(_AT, sa.BigInteger) - sa.cast(tasks.c.started_at, sa.BigInteger)
_RUNNING = sa.select(
    *(tasks.c[name] for name in ("role", "chunk_index", "fence", "region", "started_at")),
    _RAN_US.label("run_us"),
).where(
    tasks.c.job_id == sa.bindparam("of_job"),
    tasks.c.state.in_(_CLAIMED),
    tasks.c.started_at.is_not(None),
)


def _metered(table: sa.Table) -> sa.Update:
    """Write what an attempt used and cost."""
    mine = (
        table.c.job_id == sa.bindparam("of_job"),
        table.c.role == sa.bindparam("of_role"),
        table.c.chunk_index == sa.bindparam("of_index"),
        table.c.fence == sa.bindparam("of_fence"),
    )
    cost = table.c.price + sa.bindparam("cost", type_=Chips)
    return sa.update(table).where(*mine).values(run_us=sa.bindparam("ran_us", type_=sa.BigInteger), price=cost)


def _paid(job_id: str, cost: Decimal, app_cost: Decimal, app_paid: int) -> sa.Update:
    """Add to what a job has cost."""
    sums = {"payment_amount": jobs.c.payment_amount + cost, "app_cost": jobs.c.app_cost + app_cost}
    return sa.update(jobs).where(jobs.c.id == job_id).values(**sums, app_paid=jobs.c.app_paid + app_paid)
