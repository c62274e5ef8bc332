"""The account's money: what it has, what it used and for what, each booking, coupons."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response, StreamingResponse

from fanfold.console.app import Page
from fanfold.console.pages.usage import told
from fanfold.console.visit import USUAL_A_PAGE, Visit
from fanfold.errors import Refused
from fanfold.jobs.access import Right
from fanfold.jobs.money import chips
from fanfold.ports.wallet import EntryFilter


def wallet(visit: Visit) -> Response:
    """All of it on one page."""
    return _wallet(visit)


def _wallet(visit: Visit, status: int = 200, error: str = "") -> Response:
    money, account, offset = visit.services.wallet, visit.account, visit.offset()
    since = money.charges_since()
    entries, total = money.entries(EntryFilter(account, limit=USUAL_A_PAGE, offset=offset))
    values: dict[str, Any] = {"entries": entries, "total": total, "offset": offset, "limit": USUAL_A_PAGE}
    values |= {"balance": money.balance(account), "since": since, "rate": money.chip_usd}
    values |= {"limited": since is not None and money.is_limited(account)}
    return visit.page("wallet.html", status, error=error, **values, **told(visit))


def redeem(visit: Visit) -> Response:
    """Credit a coupon."""
    try:
        booked = visit.services.wallet.redeem(visit.account, visit.text("code")[:200])
    except Refused as refused:
        return _wallet(visit, 400, refused.message)
    visit.audited("wallet.coupon", booked.entity, amount=chips(booked.amount))
    return visit.go("/wallet", "redeemed")


def bookings(visit: Visit) -> Response:
    """All bookings as CSV."""
    lines = visit.services.wallet.csv(EntryFilter(visit.account))
    headers = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


PAGES = [
    Page("/wallet", wallet),
    Page("/wallet/coupon", redeem, Right.SUBMIT, "POST"),
    Page("/wallet/transactions.csv", bookings),
]
