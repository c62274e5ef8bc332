"""The calls for money."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from fanfold.client.answers import reading
from fanfold.client.calls import part
from fanfold.client.exchange import Answer, Call
from fanfold.client.pages import Page, page_of
from fanfold.wire.wallet import (
    BookingAnswer,
    CouponAnswer,
    CouponsAnswer,
    ExchangeRate,
    PriceAnswer,
    PricesAnswer,
    TransactionsAnswer,
    UsageAnswer,
    WalletAudit,
    WalletBalance,
    WalletStatus,
    WalletTransaction,
)

WALLET = "/v1/wallet"
Query = tuple[tuple[str, str], ...]


def _query(**given: str | datetime | None) -> Query:
    told = {name.rstrip("_"): value for name, value in given.items() if value}
    return tuple((name, value if isinstance(value, str) else value.isoformat()) for name, value in told.items())


def balance(account_id: str) -> Call[WalletBalance]:
    """GET /balance."""
    return Call("GET", f"{WALLET}/balance", reading(WalletBalance), _query(accountId=account_id))


def status() -> Call[WalletStatus]:
    """GET /status."""
    return Call("GET", f"{WALLET}/status", reading(WalletStatus))


def enable() -> Call[WalletStatus]:
    """POST /enable."""
    return Call("POST", f"{WALLET}/enable", reading(WalletStatus), body={"enabled": True})


def _page(answer: Answer) -> Page[WalletTransaction]:
    found = reading(TransactionsAnswer)(answer)
    return page_of(found.data, found.pagination)


def transactions(body: dict[str, Any]) -> Call[Page[WalletTransaction]]:
    """POST /transactions/filter."""
    return Call("POST", f"{WALLET}/transactions/filter", _page, body=body)


def transactions_csv(account_id: str, since: datetime | None, until: datetime | None) -> Call[str]:
    """GET /transactions/csv."""
    query = _query(accountId=account_id, from_=since, until=until)
    return Call("GET", f"{WALLET}/transactions/csv", _text, query)


def invoice(month: str, account_id: str) -> Call[str]:
    """GET /invoice."""
    return Call("GET", f"{WALLET}/invoice", _text, _query(month=month, accountId=account_id))


def _text(answer: Answer) -> str:
    return answer.body.decode()


def usage(by: str, since: datetime | None, until: datetime | None, account_id: str) -> Call[UsageAnswer]:
    """GET /usage."""
    query = _query(by=by, from_=since, until=until, accountId=account_id)
    return Call("GET", f"{WALLET}/usage", reading(UsageAnswer), query)


def exchange_rate() -> Call[ExchangeRate]:
    """GET /exchange_rate."""
    return Call("GET", f"{WALLET}/exchange_rate", reading(ExchangeRate))


def redeem(code: str) -> Call[BookingAnswer]:
    """POST /redeem_coupon: a coupon is credited once, but the repeat would be refused."""
    return Call("POST", f"{WALLET}/redeem_coupon", reading(BookingAnswer), body={"couponCode": code}, safe=False)


def top_up(account_id: str, amount: Decimal | str | int, notes: str, key: str) -> Call[BookingAnswer]:
    """POST /top_up: its key makes it safe to be repeated."""
    body = {"accountId": account_id, "amount": str(amount), "notes": notes}
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return Call("POST", f"{WALLET}/top_up", reading(BookingAnswer), body=body, headers=headers)


def refund(job_id: str, amount: Decimal | str | int | None, notes: str) -> Call[BookingAnswer]:
    """POST /refund: not repeated when nobody knows whether it arrived."""
    body = {"jobId": job_id, "notes": notes} | ({} if amount is None else {"amount": str(amount)})
    return Call("POST", f"{WALLET}/refund", reading(BookingAnswer), body=body, safe=False)


def coupons() -> Call[CouponsAnswer]:
    """GET /coupons."""
    return Call("GET", f"{WALLET}/coupons", reading(CouponsAnswer))


def make_coupon(amount: Decimal | str | int, uses: int, code: str, expires: datetime | None) -> Call[CouponAnswer]:
    """POST /coupons: not repeated when nobody knows whether it arrived."""
    body = {"amount": str(amount), "uses": uses, "code": code}
    body |= {} if expires is None else {"expiresAt": expires.isoformat()}
    return Call("POST", f"{WALLET}/coupons", reading(CouponAnswer), body=body, safe=False)


def prices() -> Call[PricesAnswer]:
    """GET /prices."""
    return Call("GET", f"{WALLET}/prices", reading(PricesAnswer))


def add_price(body: dict[str, Any]) -> Call[PriceAnswer]:
    """POST /prices: not repeated when nobody knows whether it arrived."""
    return Call("POST", f"{WALLET}/prices", reading(PriceAnswer), body=body, safe=False)


def end_price(price_id: str) -> Call[PriceAnswer]:
    """POST /prices/{id}/end."""
    return Call("POST", f"{WALLET}/prices/{part(price_id)}/end", reading(PriceAnswer))


def audit() -> Call[WalletAudit]:
    """GET /audit."""
    return Call("GET", f"{WALLET}/audit", reading(WalletAudit))
