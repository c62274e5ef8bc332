"""What is remembered of money: the ledger, balances, prices, coupons, and what was used. Amounts are chips, exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from fanfold.jobs.estimates import Past
from fanfold.jobs.ledger import Entry
from fanfold.jobs.models import Role
from fanfold.jobs.money import Booking, Kind, Price


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account owns, and what of it no running job has put aside. `below_since`: since when it owes."""

    account_id: str
    total: Decimal
    available: Decimal
    below_since: datetime | None = None

    @property
    def due(self) -> Decimal:
        """What it owes."""
        return max(Decimal(0), -self.total)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which lines of the ledger; every given part must fit."""

    account_id: str | None = None
    kinds: tuple[Kind, ...] = ()
    job_id: str = ""
    key: str = ""
    since: datetime | None = None
    until: datetime | None = None
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Coupon:
    """Worth an amount to each account that redeems it, once each, `uses` times in all."""

    code: str
    amount: Decimal
    uses: int
    created_at: datetime
    used: int = 0
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What the programs of a group of attempts used; a part of the group that was not asked for is ""."""

    account_id: str
    template_id: str
    label: str
    attempts: int
    run_us: int
    cpu_s: float
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Audit:
    """What the books come to: how many lines, the last seal, the sum of all accounts, and what is wrong with them."""

    entries: int
    seal: str
    sum: Decimal
    faults: tuple[str, ...]


class WalletStore(Protocol):
    """Durable when a call returns. Raises Unavailable, OutOfSpace."""

    def charges_since(self) -> datetime | None:
        """Since when this server charges; None where it does not."""

    def enable(self, now: Callable[[], datetime]) -> datetime:
        """Charge from now on; says since when. Safe to repeat."""

    def balance(self, account_id: str) -> Balance:
        """What an account has; nothing where nothing was ever booked."""

    def book(self, booking: Booking, at: datetime) -> bool:
        """Write a booking; False, with nothing changed, where its key is known."""

    def refund(self, booking: Booking, at: datetime) -> Booking:
        """Give back what a job was charged, or a part: an amount of 0 means all that is left of it. Returns what was
        booked; NotAllowedNow, with the numbers, where more would be given back than was charged."""

    def entries(self, wanted: EntryFilter) -> tuple[list[Entry], int]:
        """One page of the ledger, and how many lines there are in all."""

    def each_entry(self, wanted: EntryFilter) -> Iterator[Entry]:
        """Lines of the ledger, oldest first, streamed; the filter's page plays no part."""

    def prices(self) -> list[Price]:
        """The price list, by when a price began."""

    def add_price(self, price: Price) -> None:
        """Add a price; it holds for attempts that start from then on."""

    def end_price(self, price_id: str, at: datetime) -> Price:
        """Let a price end at a time; NotFound."""

    def add_coupon(self, coupon: Coupon) -> None:
        """Make a coupon; Conflict where the code exists."""

    def coupons(self) -> list[Coupon]:
        """All coupons, newest first."""

    def redeem(self, account_id: str, code: str, at: datetime) -> Booking:
        """Credit a coupon to an account; NotAllowedNow where there is none of that code, or it is used up, expired, or
        was redeemed by the account already."""

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
        """What attempts that ended in a time used, in groups by "account", "template", "label", the dearest first; with
        `program`, those that ran a block in a role, by its tag and whatever its revision."""

    def past(self, account_id: str, app_id: str, limit: int) -> list[Past]:
        """What the account's latest jobs of an app cost that ended well, newest first; free ones are left out."""

    def audit(self) -> Audit:
        """Prove sums and seals, and compare the books with jobs and attempts."""
