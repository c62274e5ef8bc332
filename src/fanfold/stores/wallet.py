"""Money in portable SQL: what people ask of the ledger. What jobs cause `books` writes, in their transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fanfold.errors import Conflict, NotAllowedNow, NotFound
from fanfold.jobs.estimates import Past
from fanfold.jobs.ledger import Entry
from fanfold.jobs.models import JobState, Role
from fanfold.jobs.money import COUPONS, ZERO, Booking, Kind, Price, chips
from fanfold.ports.wallet import Audit, Balance, Coupon, EntryFilter, UsageLine, WalletStore
from fanfold.stores.audit import audited
from fanfold.stores.books import Books, booking_of, price_of
from fanfold.stores.database import Connection, Database
from fanfold.stores.schema import attempts, jobs, tasks
from fanfold.stores.wallet_tables import charging, coupons, ledger, prices, wallets

BATCH = 500
_DONE = jobs.c.state == JobState.COMPLETE.value
GROUPS = {"account": jobs.c.account_id, "template": jobs.c.template_id, "label": tasks.c.label}


class SqlWallet:
    """See `ports.wallet`. `books` are those of the store that runs the jobs."""

    def __init__(self, database: Database, books: Books) -> None:
        self._database = database
        self._books = books

    def charges_since(self) -> datetime | None:
        """See `ports.wallet`."""
        with self._database.reading() as connection:
            return connection.execute(sa.select(charging.c.since)).scalar()

    def enable(self, now: Callable[[], datetime]) -> datetime:
        """See `ports.wallet`."""
        with self._database.writing("enable wallet") as connection:
            since: datetime | None = connection.execute(sa.select(charging.c.since)).scalar()
            if since is None:
                since = now()
                connection.execute(sa.insert(charging), {"one": 1, "since": since})
                self._books.forget()
        return since

    def balance(self, account_id: str) -> Balance:
        """See `ports.wallet`."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(wallets).where(wallets.c.account == account_id)).first()
        if row is None:
            return Balance(account_id, ZERO, ZERO)
        return Balance(account_id, row.balance + row.held, row.balance, row.below_since)

    def book(self, booking: Booking, at: datetime) -> bool:
        """See `ports.wallet`."""
        with self._database.writing("book") as connection:
            return bool(self._books.post(connection, [booking], at))

    def refund(self, booking: Booking, at: datetime) -> Booking:
        """See `ports.wallet`."""
        mine = (ledger.c.job_id == booking.job_id, ledger.c.account_id == booking.account_id)
        query = sa.select(ledger.c.kind, sa.func.sum(ledger.c.amount).label("sum")).where(*mine).group_by(ledger.c.kind)
        with self._database.writing("refund") as connection:
            sums = {row.kind: row.sum for row in connection.execute(query)}
            left = sums.get(Kind.CHARGE.value, ZERO) - sums.get(Kind.REFUND.value, ZERO)
            wanted = booking.amount or left
            if wanted > left or not left:
                said = f"job '{booking.job_id}' was charged {chips(left)} chips that were not given back"
                raise NotAllowedNow(f"{said}; {chips(wanted)} cannot be")
            given = replace(booking, amount=wanted)
            self._books.post(connection, [given], at)
        return given

    def entries(self, wanted: EntryFilter) -> tuple[list[Entry], int]:
        """See `ports.wallet`."""
        where = _where(wanted)
        order = ledger.c.seq.desc() if wanted.descending else ledger.c.seq
        page = sa.select(ledger).where(*where).order_by(order).limit(wanted.limit).offset(wanted.offset)
        with self._database.reading() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(ledger).where(*where)).scalar_one()
            rows = connection.execute(page).mappings().all()
        return [entry_of(row) for row in rows], total

    def each_entry(self, wanted: EntryFilter) -> Iterator[Entry]:
        """See `ports.wallet`."""
        last, count = 0, BATCH
        while count == BATCH:
            query = sa.select(ledger).where(*_where(wanted), ledger.c.seq > last).order_by(ledger.c.seq).limit(BATCH)
            with self._database.reading() as connection:
                found = [entry_of(row) for row in connection.execute(query).mappings()]
            yield from found
            count, last = len(found), found[-1].seq if found else last

    # ---- prices and coupons

    def prices(self) -> list[Price]:
        """See `ports.wallet`."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(prices).order_by(prices.c.valid_from, prices.c.id)).mappings().all()
        return [price_of(row) for row in rows]

    def add_price(self, price: Price) -> None:
        """See `ports.wallet`."""
        with self._database.writing("add price") as connection:
            row = asdict(price) | {"rate": f"{price.rate:f}", "resource": price.resource.value}
            connection.execute(sa.insert(prices), row)
            self._books.forget()

    def end_price(self, price_id: str, at: datetime) -> Price:
        """See `ports.wallet`."""
        this = prices.c.id == price_id
        with self._database.writing("end price") as connection:
            open_ended = sa.or_(prices.c.valid_until.is_(None), prices.c.valid_until > at)
            connection.execute(sa.update(prices).where(this, open_ended).values(valid_until=at))
            row = connection.execute(sa.select(prices).where(this)).mappings().first()
            self._books.forget()
        if row is None:
            raise NotFound(f"there is no price '{price_id[:100]}'")
        return price_of(row)

    def add_coupon(self, coupon: Coupon) -> None:
        """See `ports.wallet`."""
        with self._database.writing("add coupon") as connection:
            if _coupon(connection, coupon.code):
                raise Conflict(f"a coupon '{coupon.code}' exists already")
            connection.execute(sa.insert(coupons), asdict(coupon))

    def coupons(self) -> list[Coupon]:
        """See `ports.wallet`."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(coupons).order_by(coupons.c.created_at.desc(), coupons.c.code))
            return [Coupon(**row) for row in rows.mappings()]

    def redeem(self, account_id: str, code: str, at: datetime) -> Booking:
        """See `ports.wallet`."""
        with self._database.writing("redeem coupon") as connection:
            coupon = _coupon(connection, code)
            if coupon is None:
                raise NotAllowedNow("there is no such coupon")
            if coupon.expires_at is not None and coupon.expires_at <= at:
                raise NotAllowedNow(f"the coupon expired at {coupon.expires_at:%Y-%m-%d %H:%M} UTC")
            key = f"coupon/{coupon.code}/{account_id}"
            if connection.execute(sa.select(ledger.c.seq).where(ledger.c.key == key)).first():
                raise NotAllowedNow("this account has redeemed the coupon already")
            if coupon.used >= coupon.uses:
                raise NotAllowedNow(f"the coupon is used up: it was good for {coupon.uses:,}")
            booking = Booking(key, account_id, COUPONS, account_id, coupon.amount, Kind.COUPON, entity=coupon.code)
            this = coupons.c.code == coupon.code
            connection.execute(sa.update(coupons).where(this).values(used=coupons.c.used + 1))
            self._books.post(connection, [booking], at)
        return booking

    # ---- what was used, and the proof

    def usage(
        self,
        since: datetime,
        until: datetime,
        by: Sequence[str],
        account_id: str | None,
        limit: int,
        *,
        program: tuple[Role, str] | None = None,
    ) -> list[UsageLine]:
        """See `ports.wallet`."""
        keys = {name: column for name, column in GROUPS.items() if name in by}
        sums = (
            sa.func.count().label("attempts"),
            sa.func.sum(attempts.c.run_us).label("run_us"),
            sa.func.sum(attempts.c.cpu_s).label("cpu_s"),
            sa.func.sum(attempts.c.price).label("cost"),
        )
        found = attempts.join(jobs, jobs.c.id == attempts.c.job_id)
        if "label" in keys:
            same = (tasks.c[name] == attempts.c[name] for name in ("job_id", "role", "chunk_index"))
            found = found.join(tasks, sa.and_(*same))
        where = [attempts.c.ended_at >= since, attempts.c.ended_at < until, attempts.c.run_us > 0]
        if account_id is not None:
            where.append(jobs.c.account_id == account_id)
        if program is not None:
            role, tag = program
            where += [attempts.c.role == role.value, attempts.c.block.startswith(f"{tag}#", autoescape=True)]
        columns = [column.label(f"{name}_") for name, column in keys.items()]
        query = sa.select(*columns, *sums).select_from(found).where(*where)
        query = query.group_by(*keys.values()).order_by(sa.desc("cost"), *keys.values()).limit(limit)
        with self._database.reading() as connection:
            return [_line(row) for row in connection.execute(query).mappings() if row["attempts"]]

    def past(self, account_id: str, app_id: str, limit: int) -> list[Past]:
        """See `ports.wallet`."""
        where = (jobs.c.account_id == account_id, jobs.c.app_id == app_id, _DONE, jobs.c.deleted_at.is_(None))
        columns = (jobs.c.payment_amount, jobs.c.num_chunks, jobs.c.bytes_in)
        query = sa.select(*columns).where(*where, jobs.c.payment_amount > ZERO)
        query = query.order_by(jobs.c.created_at.desc()).limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Past(row.payment_amount, row.num_chunks or 0, row.bytes_in) for row in rows]

    def audit(self) -> Audit:
        """See `ports.wallet`."""
        with self._database.reading() as connection:
            self._database.hold_still(connection)
            return audited(connection)


def _line(row: Mapping[Any, Any]) -> UsageLine:
    group = (row.get("account_", ""), row.get("template_", ""), row.get("label_", ""))
    return UsageLine(*group, row["attempts"], int(row["run_us"]), float(row["cpu_s"]), row["cost"])


def entry_of(row: Mapping[Any, Any]) -> Entry:
    """A line of the ledger from its row."""
    return Entry(row["seq"], row["at"], booking_of(row), row["balance"], row["hash"])


def _coupon(connection: Connection, code: str) -> Coupon | None:
    row = connection.execute(sa.select(coupons).where(coupons.c.code == code)).mappings().first()
    return Coupon(**row) if row else None


def _where(wanted: EntryFilter) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if wanted.account_id is not None:
        where.append(ledger.c.account_id == wanted.account_id)
    if wanted.kinds:
        where.append(ledger.c.kind.in_([kind.value for kind in wanted.kinds]))
    if wanted.job_id:
        where.append(ledger.c.job_id == wanted.job_id)
    if wanted.key:
        where.append(ledger.c.key == wanted.key)
    if wanted.since:
        where.append(ledger.c.at >= wanted.since)
    if wanted.until:
        where.append(ledger.c.at < wanted.until)
    return where


_fits: type[WalletStore] = SqlWallet
