"""/v1/wallet: nothing is charged by this release, so every amount is zero; the shapes are those clients expect."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from fanfold.api.auth import Reader, Submitter
from fanfold.errors import NotAllowedNow

router = APIRouter(tags=["wallet"])
older = APIRouter(tags=["wallet"])


@router.get("/balance")
def balance(caller: Reader) -> dict[str, Any]:
    """The account's balance in chips."""
    return {"accountId": caller.account_id, "totalBalance": 0.0, "availableBalance": 0.0, "amountDue": 0.0}


@older.get("/balance")
def older_balance(caller: Reader) -> dict[str, Any]:
    """The same with numbers as texts, as clients of the older API read them."""
    return {"accountId": caller.account_id, "totalBalance": "0", "availableBalance": "0", "amountDue": "0"}


_EMPTY: dict[str, Any] = {
    "pagination": {"total": 0, "offset": 0, "hasPrevious": False, "hasNext": False},
    "data": [],
}


@router.get("/transactions")
@router.post("/transactions/filter", name="filter_transactions")
def transactions(_caller: Reader) -> dict[str, Any]:
    """A page of bookings."""
    return _EMPTY


@router.get("/exchange_rate")
def exchange_rate(_caller: Reader) -> dict[str, Any]:
    """What a chip is worth where a page shows money."""
    return {"chipUsd": 0.0}


@router.post("/redeem_coupon")
def redeem_coupon(_caller: Submitter) -> dict[str, Any]:
    """Coupons come with the wallet."""
    raise NotAllowedNow("this server does not charge, so there is nothing to redeem a coupon for")
