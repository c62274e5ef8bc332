"""Seals: a line cannot be changed, taken out or put in unseen."""

from dataclasses import replace
from decimal import Decimal

from fanfold.jobs.ledger import FIRST, entry, seal
from fanfold.jobs.money import ISSUED, Booking, Kind
from tests.values import NOON, after

BOOKING = Booking("top_up/1", "ann", ISSUED, "ann", Decimal("1.5"), Kind.TOP_UP, notes="from the bank")


def test_a_line_follows_the_one_before() -> None:
    first = entry((0, FIRST), NOON, BOOKING, Decimal("1.5"))
    second = entry((first.seq, first.hash), NOON, BOOKING, Decimal(3))
    assert (first.seq, second.seq) == (1, 2)
    assert second.hash == seal(2, first.hash, NOON, BOOKING, Decimal(3))


def test_whatever_is_changed_breaks_the_seal() -> None:
    whole = seal(1, FIRST, NOON, BOOKING, Decimal(1))
    changes = {
        *("key", "account_id", "source", "target", "job_id", "entity", "notes"),
    }
    others = [replace(BOOKING, **{name: "other"}) for name in changes]
    others += [
        replace(BOOKING, amount=Decimal("1.50000001")),
        replace(BOOKING, kind=Kind.REFUND),
        replace(BOOKING, data={"by": "bob"}),
    ]
    seals = {seal(1, FIRST, NOON, booking, Decimal(1)) for booking in others}
    seals |= {seal(2, FIRST, NOON, BOOKING, Decimal(1)), seal(1, "0", NOON, BOOKING, Decimal(1))}
    seals |= {seal(1, FIRST, after(1e-6), BOOKING, Decimal(1)), seal(1, FIRST, NOON, BOOKING, Decimal(2))}
    assert len(seals) == len(others) + 4
    assert whole not in seals
