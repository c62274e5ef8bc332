"""/v1/wallet: an account's money. What administrators do with it is in `treasury`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from fanfold.api.answers import audited, order_of, page_of
from fanfold.api.auth import Reader, Submitter
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.problems import Forbidden
from fanfold.api.routes import treasury
from fanfold.api.translate import page_json, rfc3339, utc
from fanfold.api.translate_wallet import balance_json, older_balance_json, transaction_json, usage_json
from fanfold.jobs.access import Caller, Right
from fanfold.jobs.money import Kind, chips
from fanfold.ports.wallet import EntryFilter
from fanfold.wire.wallet import (
    BookingAnswer,
    CouponCode,
    ExchangeRate,
    OlderBalance,
    TransactionsAnswer,
    TransactionsFilter,
    UsageAnswer,
    WalletBalance,
    WalletStatus,
)

router = APIRouter(tags=["wallet"])
router.include_router(treasury.router)
older = APIRouter(tags=["wallet"])

With = Annotated[Services, Depends(services_of)]
OfAccount = Annotated[str, Query(alias="accountId", max_length=64)]
At = Annotated[datetime | None, Query()]

EVERYBODY = "*"
_ORDERS = {"createdAt": "seq", "id": "seq"}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "CSV.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/balance", response_model=WalletBalance)
def balance(caller: Reader, services: With, account_id: OfAccount = "") -> Any:
    """The account's balance in chips; administrators may ask for any with `accountId`."""
    return balance_json(services.wallet.balance(_account(caller, account_id)))


@older.get("/balance", response_model=OlderBalance)
def older_balance(caller: Reader, services: With) -> Any:
    """The same with numbers as texts, as clients of the older API read them."""
    return older_balance_json(services.wallet.balance(caller.account_id))


@router.get("/status", response_model=WalletStatus)
def status(caller: Reader, services: With) -> Any:
    """Whether this server charges, and whether it asks the account's balance before a job runs."""
    since = services.wallet.charges_since()
    return {
        "charges": since is not None,
        "chargesSince": rfc3339(since),
        "limited": since is not None and services.wallet.is_limited(caller.account_id),
        "belowSince": rfc3339(services.wallet.balance(caller.account_id).below_since),
        "gracePeriodHours": services.wallet.grace_h,
    }


@router.get("/transactions", response_model=TransactionsAnswer)
def transactions(request: Request, caller: Reader, services: With, account_id: OfAccount = "") -> Any:
    """A page of the account's bookings, newest first; administrators may ask for any, or for all with `*`."""
    return _page(request, caller, services, TransactionsFilter(account_id=account_id))


@router.post("/transactions/filter", response_model=TransactionsAnswer)
def filter_transactions(
    request: Request,
    caller: Reader,
    services: With,
    body: Annotated[TransactionsFilter, Depends(body_of(TransactionsFilter))],
) -> Any:
    """A page of the bookings that fit every given part of the filter."""
    return _page(request, caller, services, body)


@router.get("/transactions/csv", responses=_CSV, response_class=StreamingResponse)
def transactions_csv(
    caller: Reader,
    services: With,
    account_id: OfAccount = "",
    since: Annotated[datetime | None, Query(alias="from")] = None,
    until: Annotated[datetime | None, Query(alias="until")] = None,
) -> Any:
    """All bookings of the account, or those of a time, oldest first."""
    wanted = EntryFilter(_accounts(caller, account_id), since=_utc(since), until=_utc(until))
    return _csv(services.wallet.csv(wanted), "transactions.csv")


@router.get("/invoice", responses=_CSV, response_class=StreamingResponse)
def invoice(
    caller: Reader, services: With, month: Annotated[str, Query(max_length=20)], account_id: OfAccount = ""
) -> Any:
    """What the account was charged in a month (`2031-05`), job by job."""
    lines = list(services.wallet.invoice(_account(caller, account_id), month))
    return _csv(iter(lines), f"invoice-{month}.csv")


@router.get("/usage", response_model=UsageAnswer)
def usage(
    caller: Reader,
    services: With,
    by: Annotated[str, Query(max_length=100)] = "month",
    since: Annotated[datetime | None, Query(alias="from")] = None,
    until: Annotated[datetime | None, Query(alias="until")] = None,
    account_id: OfAccount = "",
) -> Any:
    """What programs used, `by` any of account, template, label and month, comma-separated."""
    groups = [part.strip() for part in by.split(",") if part.strip()]
    found = services.wallet.usage(groups, _utc(since), _utc(until), _accounts(caller, account_id))
    return {"usage": [usage_json(line) for line in found]}


@router.get("/exchange_rate", response_model=ExchangeRate)
def exchange_rate(_caller: Reader, services: With) -> Any:
    """What a chip is worth where a page shows money."""
    return {"chipUsd": float(services.wallet.chip_usd)}


@router.post("/redeem_coupon", response_model=BookingAnswer)
def redeem_coupon(
    request: Request, caller: Submitter, services: With, body: Annotated[CouponCode, Depends(body_of(CouponCode))]
) -> Any:
    """Credit a coupon to the account."""
    booked = services.wallet.redeem(caller.account_id, body.coupon_code)
    audited(request, services, caller, "wallet.coupon", booked.entity, amount=chips(booked.amount))
    return treasury.booking_json(services, booked)


def _page(request: Request, caller: Caller, services: Services, wanted: TransactionsFilter) -> dict[str, Any]:
    given = wanted.pagination
    limit, offset = page_of(request, given.limit if given else wanted.limit, given.offset if given else wanted.offset)
    _, descending = order_of(wanted.order_by or request.query_params.get("orderBy", ""), _ORDERS, "createdAt desc")
    types = {*wanted.transaction_types, *([wanted.transaction_type] if wanted.transaction_type else [])}
    found, total = services.wallet.entries(
        EntryFilter(
            account_id=_accounts(caller, wanted.account_id),
            kinds=tuple(Kind(name) for name in sorted(types)),
            job_id=wanted.job_id,
            since=_utc(wanted.created_from),
            until=_utc(wanted.created_until),
            descending=descending,
            limit=limit,
            offset=offset,
        )
    )
    return {"pagination": page_json(total, offset, len(found)), "data": [transaction_json(line) for line in found]}


def _account(caller: Caller, account_id: str) -> str:
    """Whose money is asked for: the caller's own, or anybody's where an administrator asks."""
    if account_id and account_id != caller.account_id and not caller.may(Right.ADMINISTER):
        raise Forbidden("only administrators see the money of other accounts")
    return account_id or caller.account_id


def _accounts(caller: Caller, account_id: str) -> str | None:
    """As `_account`; None for all."""
    found = _account(caller, account_id)
    return None if found == EVERYBODY else found


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else utc(at)


def _csv(lines: Iterator[str], name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)
