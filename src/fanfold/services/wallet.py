"""The wallet: what people ask of their account's money, and what administrators do to it."""

from __future__ import annotations

import csv
import io
import re
import secrets
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fanfold.errors import BadInput, Conflict, Problem
from fanfold.jobs.ledger import Entry
from fanfold.jobs.models import Role
from fanfold.jobs.money import (
    ISSUED,
    MOST_RATE,
    USAGE,
    ZERO,
    Booking,
    Kind,
    Price,
    Resource,
    chips,
    in_currency,
    parsed,
)
from fanfold.ports.access import AccessStore
from fanfold.ports.clock import Clock
from fanfold.ports.store import Store
from fanfold.ports.wallet import Audit, Balance, Coupon, EntryFilter, UsageLine, WalletStore
from fanfold.services.estimates import Estimator
from fanfold.services.treasury import Rules, is_unlimited

MOST_USES = 1_000_000
MOST_MONTHS = 36
MOST_GROUPS = 10_000
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
GROUPS = ("account", "template", "label", "month")
CSV_NAMES = (
    "id",
    "createdAt",
    "transactionType",
    "accountFrom",
    "accountTo",
    "amount",
    "balance",
    "job",
    "entity",
    "notes",
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class MonthOfUsage:
    """What a group used in a month ("": in all the time that was asked for)."""

    month: str
    line: UsageLine


class WalletService:
    """What a caller may ask about money; the door has checked who may."""

    def __init__(
        self,
        wallet: WalletStore,
        access: AccessStore,
        store: Store,
        clock: Clock,
        rules: Rules,
        estimator: Estimator,
    ) -> None:
        self.estimate = estimator.estimate
        self._wallet = wallet
        self._access = access
        self._store = store
        self._clock = clock
        self.chip_usd = rules.chip_usd
        self.grace_h = rules.grace / timedelta(hours=1)

    def charges_since(self) -> datetime | None:
        """Since when this server charges; None where it does not."""
        return self._wallet.charges_since()

    def enable(self) -> datetime:
        """Charge from now on. Safe to repeat."""
        return self._wallet.enable(self._clock.now)

    def is_limited(self, account_id: str) -> bool:
        """Whether an account's balance is asked before a job runs."""
        return not is_unlimited(account_id, self._access.account(account_id).quotas)

    def balance(self, account_id: str) -> Balance:
        """What an account has."""
        return self._wallet.balance(account_id)

    def entries(self, wanted: EntryFilter) -> tuple[list[Entry], int]:
        """One page of the ledger."""
        return self._wallet.entries(wanted)

    def audit(self) -> Audit:
        """Prove the books."""
        return self._wallet.audit()

    # ---- money in and back

    def top_up(self, account_id: str, amount: object, by: str, notes: str = "", key: str = "") -> Booking:
        """Give an account chips, once for a key; Conflict where the key was used for something else."""
        account = self._access.account(account_id)
        name = f"top_up/{account.id}/{key or uuid.uuid4()}"
        booking = Booking(name, account.id, ISSUED, account.id, parsed(amount, "amount"), Kind.TOP_UP, notes=notes)
        booking = replace(booking, data={"by": by})
        if not self._wallet.book(booking, self._clock.now()):
            found, _ = self._wallet.entries(EntryFilter(account.id, kinds=(Kind.TOP_UP,), key=name))
            if not found or found[0].booking.amount != booking.amount:
                raise Conflict(f"the key '{key}' was used for another top-up of '{account.id}'; choose another")
        return booking

    def refund(self, job_id: str, amount: object, by: str, notes: str = "") -> Booking:
        """Give back what a job was charged, or (an amount) a part of it."""
        job = self._store.job(job_id)
        wanted = ZERO if amount is None else parsed(amount, "amount")
        account, name = job.account_id, f"refund/{uuid.uuid4()}"
        booking = Booking(name, account, USAGE, account, wanted, Kind.REFUND, job.id, notes=notes, data={"by": by})
        return self._wallet.refund(booking, self._clock.now())

    def redeem(self, account_id: str, code: str) -> Booking:
        """Credit a coupon to an account."""
        return self._wallet.redeem(account_id, code.strip(), self._clock.now())

    def make_coupon(self, amount: object, uses: int = 1, code: str = "", expires_at: datetime | None = None) -> Coupon:
        """A new coupon; without a code of its own it gets one that nobody guesses."""
        problems = []
        if code and not CODE.fullmatch(code):
            problems.append(Problem("code", "expected 8 to 64 letters, digits, '-' and '_'"))
        if not 1 <= uses <= MOST_USES:
            problems.append(Problem("uses", f"expected 1 to {MOST_USES:,}, found {uses}"))
        if problems:
            raise BadInput("the coupon is not right", problems)
        made = code or secrets.token_urlsafe(15).replace("_", "x").replace("-", "y")
        coupon = Coupon(made, parsed(amount, "amount"), uses, self._clock.now(), expires_at=expires_at)
        self._wallet.add_coupon(coupon)
        return coupon

    def coupons(self) -> list[Coupon]:
        """All coupons."""
        return self._wallet.coupons()

    # ---- prices

    def prices(self) -> list[Price]:
        """The price list."""
        return self._wallet.prices()

    def add_price(
        self,
        rate: object,
        resource: str = "",
        region: str = "",
        gpu: str = "",
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> Price:
        """A new line of the price list, from now on where nothing else is said. The past is not charged anew."""
        now = self._clock.now()
        begins = valid_from or now
        if begins < now:
            raise BadInput("the price is not right", [Problem("validFrom", "is over; prices change what is to come")])
        if valid_until is not None and valid_until <= begins:
            raise BadInput("the price is not right", [Problem("validUntil", "is not after validFrom")])
        exact = parsed(rate, "rate", least=ZERO, most=MOST_RATE)
        price = Price(str(uuid.uuid4()), exact, begins, valid_until, Resource(resource), region, gpu)
        self._wallet.add_price(price)
        return price

    def end_price(self, price_id: str) -> Price:
        """Let a line of the price list end now."""
        return self._wallet.end_price(price_id, self._clock.now())

    # ---- reports

    def usage(
        self,
        by: Sequence[str],
        since: datetime | None,
        until: datetime | None,
        account_id: str | None,
        *,
        program: tuple[Role, str] | None = None,
    ) -> list[MonthOfUsage]:
        """What was used, in groups by account, template, label and month; the last twelve months where no time is
        given. `account_id` None: of all accounts. `program`: by runs of a block in a role, by its tag."""
        if unknown := sorted(set(by) - set(GROUPS)):
            known = ", ".join(GROUPS)
            raise BadInput("the report is not right", [Problem("by", f"found {unknown[0][:50]!r}; known are {known}")])
        now = self._clock.now()
        last = until or now
        first = since or months_before(last, 11)
        spans = [("", first, last)]
        if "month" in by:
            spans = [(f"{start:%Y-%m}", start, end) for start, end in months_of(first, last)]
        return [
            MonthOfUsage(month, line)
            for month, start, end in spans
            for line in self._wallet.usage(start, end, by, account_id, MOST_GROUPS, program=program)
        ]

    def csv(self, wanted: EntryFilter) -> Iterator[str]:
        """Lines of the ledger as CSV, oldest first."""
        yield csv_line(CSV_NAMES)
        for line in self._wallet.each_entry(wanted):
            yield csv_line(csv_fields(line))

    def invoice(self, account_id: str, month: str) -> Iterator[str]:
        """What an account was charged in a month, job by job, and what came in, as CSV."""
        found = MONTH.fullmatch(month)
        if not found:
            raise BadInput("the invoice is not right", [Problem("month", f"expected YYYY-MM, found {month[:50]!r}")])
        start = datetime(int(found[1]) or 1, int(found[2]), 1, tzinfo=UTC)
        wanted = EntryFilter(account_id, since=start, until=months_before(start, -1))
        yield csv_line(("account", "month", "what", "job", "name", "count", "chips", "usd"))
        sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
        for line in self._wallet.each_entry(wanted):
            booking = line.booking
            if booking.kind in (Kind.HOLD, Kind.RELEASE):
                continue
            count, amount = sums.get((booking.kind.value, booking.job_id), (0, ZERO))
            sums[booking.kind.value, booking.job_id] = (count + 1, amount + booking.amount)
        for (kind, job_id), (count, amount) in sorted(sums.items()):
            name = self._store.job(job_id).name if job_id else ""
            yield csv_line((account_id, month, kind, job_id, name, count, chips(amount), self._usd(amount)))
        charged, back = (self._sum(sums, kind) for kind in (Kind.CHARGE, Kind.REFUND))
        total = charged - back
        yield csv_line((account_id, month, "total", "", "charges less refunds", "", chips(total), self._usd(total)))

    def _sum(self, sums: dict[tuple[str, str], tuple[int, Decimal]], kind: Kind) -> Decimal:
        return sum((amount for (name, _), (_, amount) in sums.items() if name == kind.value), ZERO)

    def _usd(self, amount: Decimal) -> str:
        return in_currency(amount, self.chip_usd) if self.chip_usd else ""


def months_before(at: datetime, count: int) -> datetime:
    """The beginning of the month so many before (or, negative, after) the one of a time."""
    number = at.year * 12 + at.month - 1 - count
    year, month = divmod(max(12, min(number, 9999 * 12 + 11)), 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def months_of(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The months between two times, the ends cut to them; BadInput for more than MOST_MONTHS."""
    start, count = first, 0
    while start < last:
        if count == MOST_MONTHS:
            raise BadInput(
                "the report is not right", [Problem("from", f"at most {MOST_MONTHS} months are told at once")]
            )
        end = min(last, months_before(start, -1))
        yield start, end
        if end <= start:
            return
        start, count = end, count + 1


def csv_fields(line: Entry) -> tuple[object, ...]:
    """A line of the ledger by CSV_NAMES."""
    one = line.booking
    at = line.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    plain = (line.seq, at, one.kind.value, one.source, one.target, chips(one.amount), chips(line.balance))
    return (*plain, one.job_id, one.entity, one.notes)


def csv_line(cells: Sequence[object]) -> str:
    """One line; a text that a spreadsheet would take for a formula is quoted as text."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([_harmless(cell) for cell in cells])
    return buffer.getvalue()


_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith(FORMULAS) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
