"""The ledger: bookings in a row, each sealed with what came before it, so that none can be changed, taken out or put in
without the seals of all later ones. Pure.

A seal covers everything that a line says and the seal of the line before. Whoever can write to the database can seal a
whole ledger anew: keep the last seal, which `fanfold wallet audit` prints, somewhere else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fanfold.jobs.money import SMALLEST, Booking

FIRST = ""
"""What stands for the seal before the first line."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a booking, its place in the row, when it was written, the account's total after it, and its seal."""

    seq: int
    at: datetime
    booking: Booking
    balance: Decimal
    hash: str


def entry(before: tuple[int, str], at: datetime, booking: Booking, balance: Decimal) -> Entry:
    """The line after one with such a number and seal."""
    seq = before[0] + 1
    return Entry(seq, at, booking, balance, seal(seq, before[1], at, booking, balance))


def seal(seq: int, before: str, at: datetime, booking: Booking, balance: Decimal) -> str:
    """The seal of a line, in hex."""
    told = [
        *(seq, before, (at - _EPOCH) // timedelta(microseconds=1)),
        *(booking.key, booking.account_id, booking.source, booking.target, _units(booking.amount), booking.kind.value),
        *(booking.job_id, booking.entity, booking.notes, dict(booking.data), _units(balance)),
    ]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _units(amount: Decimal) -> int:
    return int(amount / SMALLEST)
