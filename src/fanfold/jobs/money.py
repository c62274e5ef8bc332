"""Money: what an attempt costs, what may be spent, and the bookings that say so. Exact decimals, nothing is a float.

The unit is the chip: one hour on one core with one GiB of memory. An attempt costs, by the device its block asks for,

    hours x (cores x rate(cpu) + GiB x rate(memory)) / 2

to eight decimals, half to even. Rates come from a price list; where it says nothing a rate is 1.

A booking moves an amount from one ledger account to another, so the sum of all accounts is always zero. An account's
own name is its id; no other ledger account can have such a name, for ids hold no '/'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from fanfold.errors import BadInput, Problem
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import JobState, Json, Role, TaskKey
from fanfold.jobs.task_lifecycle import Outcome, ProgramFailed, Reason, Succeeded

ZERO = Decimal(0)
SMALLEST = Decimal("0.00000001")
LARGEST = Decimal(10) ** 9
"""The most of one booking; what the database counts in holds ninety of them."""

MOST_RATE = Decimal(10) ** 6
PROBES = 2
"""So many attempts of a job with a cap run before the first has told what one costs."""

_MOST_UNITS = 10**17
"""LARGEST, in hundred-millionths."""

_HOUR_US = 3_600_000_000

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""What people take for a number; Decimal takes "1_0" and the digits of other scripts, too."""

ISSUED = "fanfold/issued"
COUPONS = "fanfold/coupons"
USAGE = "fanfold/usage"


def hold_of(job_id: str) -> str:
    """The ledger account that holds a job's estimate while it runs."""
    return f"hold/{job_id}"


def is_hold(account: str) -> bool:
    """Whether a ledger account is a hold."""
    return account.startswith("hold/")


class Resource(StrEnum):
    """What a price is for; ANY stands for both."""

    ANY = ""
    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Price:
    """One line of the price list: a rate for a resource in a region on a GPU model ("": in all that have no line of
    their own), from `valid_from` until before `valid_until`."""

    id: str
    rate: Decimal
    valid_from: datetime
    valid_until: datetime | None = None
    resource: Resource = Resource.ANY
    region: str = ""
    gpu: str = ""

    def fits(self, resource: Resource, region: str, gpu: str, at: datetime) -> bool:
        """Whether it tells the rate asked for."""
        in_time = self.valid_from <= at and (self.valid_until is None or at < self.valid_until)
        named = self.resource in (Resource.ANY, resource) and self.region in ("", region) and self.gpu in ("", gpu)
        return in_time and named

    @property
    def rank(self) -> tuple[bool, bool, bool, datetime, str]:
        """The more it names, the more it says; of equals the later one."""
        return (bool(self.gpu), bool(self.region), bool(self.resource), self.valid_from, self.id)


@dataclass(frozen=True, slots=True)
class Tariff:
    """The price list as it was, is and will be."""

    prices: tuple[Price, ...] = ()

    def rate(self, resource: Resource, region: str, gpu: str, at: datetime) -> Decimal:
        """The rate of a resource at a time; 1 where no line fits."""
        found = [price for price in self.prices if price.fits(resource, region, gpu, at)]
        return max(found, key=lambda price: price.rank).rate if found else Decimal(1)

    def price(self, device: Device, region: str, at: datetime, used_us: int) -> Decimal:
        """What a device costs for so many microseconds, at the rates of the time when they began; of several GPU models
        that would do, the first that is named is charged."""
        gpu = device.gpus[0] if device.gpus else ""
        rates = self.rate(Resource.CPU, region, gpu, at), self.rate(Resource.MEMORY, region, gpu, at)
        part, parts = _units_per_us(device.cores, device.memory_bytes, *rates)
        units, rest = divmod(max(0, used_us) * part, parts)
        units += 2 * rest > parts or (2 * rest == parts and units % 2)
        return Decimal(min(units, _MOST_UNITS)).scaleb(-8)


@lru_cache(maxsize=4096)
def _units_per_us(cores: float, memory_bytes: int, cpu: Decimal, memory: Decimal) -> tuple[int, int]:
    """What a microsecond costs in hundred-millionths of a chip, as a fraction of whole numbers."""
    halves = Fraction(str(cores)) * Fraction(cpu) + Fraction(memory_bytes, GIB) * Fraction(memory)
    return (halves * 10**8 / (2 * _HOUR_US)).as_integer_ratio()


STANDARD = Tariff()

_NOT_THE_PROGRAM = frozenset(
    {
        Reason.CANNOT_START,
        Reason.ENVIRONMENT_FAILED,
        Reason.CHUNK_CHANGED,
        Reason.SOURCE_UNAVAILABLE,
        Reason.DISK_FULL,
        Reason.ABORTED,
    }
)
PLATFORM_FAILED = frozenset({"disk_full", "internal"})
"""Jobs that failed so were not ended by their programs nor by a person."""


def is_charged(outcome: Outcome) -> bool:
    """Whether an attempt that ended so is paid for: the program ended, well or not. What the platform lost is not."""
    if isinstance(outcome, ProgramFailed):
        return outcome.reason not in _NOT_THE_PROGRAM
    return isinstance(outcome, Succeeded)


@dataclass(frozen=True, slots=True)
class Meter:
    """Who pays for the programs of a job, and on which devices they run."""

    account_id: str
    devices: Mapping[str, Device] = field(default_factory=dict)
    is_free: bool = False

    def price(self, tariff: Tariff, role: Role, region: str, started: datetime | None, used_us: int) -> Decimal:
        """What an attempt costs whose program ran for so long from `started` on (None: it never did)."""
        device = self.devices.get(role.value)
        if self.is_free or started is None or device is None:
            return ZERO
        return tariff.price(device, region, started, used_us)


class Kind(StrEnum):
    """What a booking is for; words never change."""

    TOP_UP = "top_up"
    COUPON = "coupon"
    HOLD = "hold"
    RELEASE = "release"
    CHARGE = "charge"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Booking:
    """An amount that moves from `source` to `target` in the transaction of what causes it, once for its key.

    `account_id` is whom it concerns. `grace`: None where the source may go below zero by it; else it may only where its
    balance has been below zero for less than so long.
    """

    key: str
    account_id: str
    source: str
    target: str
    amount: Decimal
    kind: Kind
    job_id: str = ""
    entity: str = ""
    notes: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)
    grace: timedelta | None = None


def hold(account_id: str, job_id: str, round_: int, estimate: Decimal, grace: timedelta | None) -> Booking:
    """Put a round's estimate aside; its key holds for the round, so that it is put aside once."""
    key = f"hold/{job_id}/{round_}"
    amount = min(LARGEST, estimate)
    return Booking(key, account_id, account_id, hold_of(job_id), amount, Kind.HOLD, job_id, grace=grace)


def release(account_id: str, job_id: str, because: str, amount: Decimal) -> Booking:
    """Give a part of a hold back: what is charged now, or what is left at the end."""
    key = f"release/{job_id}/{because}"
    return Booking(key, account_id, hold_of(job_id), account_id, amount, Kind.RELEASE, job_id)


def charge(account_id: str, key: TaskKey, fence: int, amount: Decimal) -> Booking:
    """Charge one attempt."""
    name = f"{key.task_id}.{fence}"
    return Booking(f"charge/{name}", account_id, account_id, USAGE, amount, Kind.CHARGE, key.job_id, name)


def too_low(available: Decimal, wanted: Decimal, below_since: datetime | None, at: datetime, grace: timedelta) -> str:
    """Why an account may not put `wanted` aside, with the numbers; "" where it may."""
    if available >= wanted:
        return ""
    numbers = f"{chips(available)} chips are available and it is estimated at {chips(wanted)}"
    if below_since is None:
        return numbers
    if at - below_since < grace:
        return ""
    hours = Decimal(grace // timedelta(seconds=1)) / 3600
    since = f"the balance has been below zero since {below_since:%Y-%m-%d %H:%M} UTC"
    return f"{numbers}; {since}, for longer than the {hours.normalize():f} hours of grace"


def below_since(total: Decimal, since: datetime | None, at: datetime, kind: Kind) -> datetime | None:
    """Since when a balance has been below zero, once it is `total`: a charge starts the clock, zero stops it."""
    if total >= 0:
        return None
    return at if since is None and kind is Kind.CHARGE else since


def affordable(cap: Decimal, paid: Decimal, state: JobState, app_paid: tuple[Decimal, int], running: int) -> int:
    """How many attempts more a job may start under its cap: what runs is counted with what its programs have cost on
    the average, `app_paid` being what so many attempts of its app cost."""
    left = cap - paid
    cost, count = app_paid
    if left <= 0:
        return 0
    if state is not JobState.PARTITIONED:
        return max(0, 1 - running)
    if count == 0 or cost == 0:
        return max(0, PROBES - running)
    return max(0, int(left * count / cost) - running)


def parsed(text: object, field_name: str, *, least: Decimal = SMALLEST, most: Decimal = LARGEST) -> Decimal:
    """An amount that a person gave, exact; BadInput where it is none, out of bounds, or finer than eight decimals."""
    said = f"expected a number from {least:f} to {most:f} with at most 8 decimals, found {str(text)[:50]!r}"
    wrong = BadInput("the amount is not right", [Problem(field_name, said)])
    if isinstance(text, bool | float) or not isinstance(text, str | int | Decimal) or len(str(text)) > 40:
        raise wrong
    if isinstance(text, str) and not _NUMBER.fullmatch(text.strip()):
        raise wrong
    try:
        found = Decimal(text)
        if not found.is_finite() or not least <= found <= most or found != found.quantize(SMALLEST):
            raise wrong
    except InvalidOperation as err:
        raise wrong from err
    return found.quantize(SMALLEST)


def chips(amount: Decimal) -> str:
    """An amount as it is shown: all eight decimals."""
    return f"{amount.quantize(SMALLEST):f}"


def whole(amount: Decimal) -> str:
    """An amount as a whole number in a text, rounded up."""
    return f"{amount.to_integral_value(ROUND_CEILING):f}"


def in_currency(amount: Decimal, rate: Decimal) -> str:
    """An amount of chips in money, at so much a chip, to the cent below."""
    return f"{(amount * rate).quantize(Decimal('0.01'), ROUND_DOWN):f}"
