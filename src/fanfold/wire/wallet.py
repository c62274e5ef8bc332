"""Public shapes of money. Amounts are numbers of chips where clients of the public API read numbers; beside them, or
where nobody else reads them, they are exact decimals in texts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fanfold.wire.base import Page, Pagination, Shape


def _written(value: object) -> object:
    """Decimal reads more than people write: "1_0", and the digits of other scripts."""
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        raise ValueError("expected a number")
    return value


Amount = Annotated[Decimal, BeforeValidator(_written), Field(gt=0, le=10**9, allow_inf_nan=False)]
Rate = Annotated[Decimal, BeforeValidator(_written), Field(ge=0, le=10**6, allow_inf_nan=False)]
Identifier = Annotated[str, Field(max_length=64)]
Name = Annotated[str, Field(max_length=64)]
Notes = Annotated[str, Field(max_length=1000)]
TransactionType = Literal["top_up", "coupon", "hold", "release", "charge", "refund"]


class WalletBalance(Shape):
    """What an account has, and what of it no running job has put aside."""

    account_id: str
    total_balance: float
    available_balance: float
    amount_due: float


class OlderBalance(Shape):
    """The same with amounts as texts."""

    account_id: str
    total_balance: str
    available_balance: str
    amount_due: str


class WalletStatus(Shape):
    """Whether this server charges, since when, whether the account's balance is asked, and since when it owes."""

    charges: bool
    charges_since: str | None = None
    limited: bool
    below_since: str | None = None
    grace_period_hours: float


class EnableRequest(Shape):
    """Whether the server shall charge from now on."""

    enabled: bool = False


class WalletTransaction(Shape):
    """One line of the ledger. `balance` is the account's total after it, `hash` its seal; `transactionData` has both
    amounts exact."""

    id: str
    created_at: str
    account_id: str
    account_from: str
    account_to: str
    amount: float
    transaction_type: str
    related_entity: str
    notes: str
    transaction_data: dict[str, Any]
    hash: str
    related_entity_data: dict[str, Any]
    description: str
    balance: float


class TransactionsAnswer(Shape):
    """A page of the ledger, newest first."""

    pagination: Page
    data: list[WalletTransaction]


class TransactionsFilter(Shape):
    """Which lines; every given part must fit."""

    transaction_types: Annotated[list[TransactionType], Field(max_length=10)] = []
    transaction_type: TransactionType | None = None
    job_id: Identifier = ""
    created_from: datetime | None = None
    created_until: datetime | None = None
    account_id: Identifier = ""
    order_by: Annotated[str, Field(max_length=50)] = ""
    pagination: Pagination | None = None
    limit: int | None = None
    offset: int | None = None


class ExchangeRate(Shape):
    """What a chip is worth where a page shows money; 0: money is not shown."""

    chip_usd: float


class CouponCode(Shape):
    """A coupon to be redeemed."""

    coupon_code: Annotated[str, Field(min_length=1, max_length=100)]


class TopUpRequest(Shape):
    """Chips for an account."""

    account_id: Annotated[str, Field(min_length=1, max_length=64)]
    amount: Amount
    notes: Notes = ""


class RefundRequest(Shape):
    """A job's charges, or a part of them, to be given back."""

    job_id: Annotated[str, Field(min_length=1, max_length=64)]
    amount: Amount | None = None
    notes: Notes = ""


class BookingAnswer(Shape):
    """What was booked, and what the account has then."""

    amount: str
    account_id: str
    transaction_type: str
    balance: WalletBalance


class WalletCoupon(Shape):
    """A coupon: worth an amount to each account that redeems it, once each, `uses` times in all."""

    code: str
    amount: str
    uses: int
    used: int
    created_at: str
    expires_at: str | None = None


class CouponRequest(Shape):
    """A new coupon; without a code it gets one that nobody guesses."""

    amount: Amount
    uses: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    code: Annotated[str, Field(max_length=64)] = ""
    expires_at: datetime | None = None


class CouponAnswer(Shape):
    """A coupon."""

    coupon: WalletCoupon


class CouponsAnswer(Shape):
    """All coupons, newest first."""

    coupons: list[WalletCoupon]


class WalletPrice(Shape):
    """A line of the price list; "" stands for all that have no line of their own."""

    id: str
    rate: str
    resource: str
    region: str
    gpu: str
    valid_from: str
    valid_until: str | None = None


class PriceRequest(Shape):
    """A new line of the price list, from now on where no `validFrom` is given."""

    rate: Rate
    resource: Literal["", "cpu", "memory"] = ""
    region: Name = ""
    gpu: Name = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class PriceAnswer(Shape):
    """A line of the price list."""

    price: WalletPrice


class PricesAnswer(Shape):
    """The price list, by when a price began."""

    prices: list[WalletPrice]


class WalletAudit(Shape):
    """What the books come to: lines, last seal, sum of all accounts, and what is wrong with them."""

    ok: bool
    entries: int
    seal: str
    sum: str
    faults: list[str]


class UsageOfGroup(Shape):
    """What the programs of a group used."""

    month: str = ""
    account_id: str = ""
    template_id: str = ""
    label: str = ""
    attempts: int
    program_seconds: float
    cpu_seconds: float
    cost: str


class UsageAnswer(Shape):
    """What was used, by month, the dearest group first."""

    usage: list[UsageOfGroup]
