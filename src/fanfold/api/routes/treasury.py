"""/v1/wallet for administrators: turning it on, top-ups, refunds, coupons, prices, the proof of the books."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from fanfold.api.answers import audited
from fanfold.api.auth import Administrator, Reader
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.translate import rfc3339, utc
from fanfold.api.translate_wallet import audit_json, balance_json, coupon_json, price_json
from fanfold.errors import BadInput, Problem
from fanfold.jobs.money import Booking, chips
from fanfold.wire.wallet import (
    BookingAnswer,
    CouponAnswer,
    CouponRequest,
    CouponsAnswer,
    EnableRequest,
    PriceAnswer,
    PriceRequest,
    PricesAnswer,
    RefundRequest,
    TopUpRequest,
    WalletAudit,
    WalletStatus,
)

router = APIRouter()

With = Annotated[Services, Depends(services_of)]


@router.post("/enable", response_model=WalletStatus)
def enable(
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[EnableRequest, Depends(body_of(EnableRequest))],
) -> Any:
    """Charge from now on, with `{"enabled": true}`; it cannot be turned off again. Safe to repeat."""
    if not body.enabled:
        raise BadInput(
            "the request is not right", [Problem("enabled", "expected true, so that nobody does it unasked")]
        )
    since = services.wallet.enable()
    audited(request, services, caller, "wallet.enable", "")
    return {
        "charges": True,
        "chargesSince": rfc3339(since),
        "limited": services.wallet.is_limited(caller.account_id),
        "gracePeriodHours": services.wallet.grace_h,
    }


@router.post("/top_up", response_model=BookingAnswer)
def top_up(
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[TopUpRequest, Depends(body_of(TopUpRequest))],
) -> Any:
    """Give an account chips; with an `Idempotency-Key`, once however often it is sent."""
    key = request.headers.get("idempotency-key", "")[:200]
    booked = services.wallet.top_up(body.account_id, body.amount, caller.user_name, body.notes, key)
    audited(request, services, caller, "wallet.top_up", body.account_id, amount=chips(booked.amount))
    return booking_json(services, booked)


@router.post("/refund", response_model=BookingAnswer)
def refund(
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[RefundRequest, Depends(body_of(RefundRequest))],
) -> Any:
    """Give back what a job was charged, or a part of it, and never more."""
    booked = services.wallet.refund(body.job_id, body.amount, caller.user_name, body.notes)
    audited(request, services, caller, "wallet.refund", body.job_id, amount=chips(booked.amount))
    return booking_json(services, booked)


@router.get("/coupons", response_model=CouponsAnswer)
def list_coupons(_caller: Administrator, services: With) -> Any:
    """All coupons, newest first."""
    return {"coupons": [coupon_json(coupon) for coupon in services.wallet.coupons()]}


@router.post("/coupons", response_model=CouponAnswer)
def make_coupon(
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[CouponRequest, Depends(body_of(CouponRequest))],
) -> Any:
    """A new coupon; without a code it gets one that nobody guesses."""
    expires = utc(body.expires_at) if body.expires_at else None
    coupon = services.wallet.make_coupon(body.amount, body.uses, body.code, expires)
    audited(request, services, caller, "wallet.coupon.make", coupon.code, amount=chips(coupon.amount), uses=coupon.uses)
    return {"coupon": coupon_json(coupon)}


@router.get("/prices", response_model=PricesAnswer)
def list_prices(_caller: Reader, services: With) -> Any:
    """The price list."""
    return {"prices": [price_json(price) for price in services.wallet.prices()]}


@router.post("/prices", response_model=PriceAnswer)
def add_price(
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[PriceRequest, Depends(body_of(PriceRequest))],
) -> Any:
    """A new line of the price list; it holds for attempts that start from then on."""
    begins = utc(body.valid_from) if body.valid_from else None
    ends = utc(body.valid_until) if body.valid_until else None
    price = services.wallet.add_price(body.rate, body.resource, body.region, body.gpu, begins, ends)
    audited(request, services, caller, "wallet.price", price.id, rate=f"{price.rate:f}")
    return {"price": price_json(price)}


@router.post("/prices/{price_id}/end", response_model=PriceAnswer)
def end_price(price_id: str, request: Request, caller: Administrator, services: With) -> Any:
    """Let a line of the price list end now."""
    price = services.wallet.end_price(price_id)
    audited(request, services, caller, "wallet.price.end", price_id)
    return {"price": price_json(price)}


@router.get("/audit", response_model=WalletAudit)
def audit(_caller: Administrator, services: With) -> Any:
    """Prove the seals and sums of the books, and compare them with jobs and attempts."""
    return audit_json(services.wallet.audit())


def booking_json(services: Services, booked: Booking) -> dict[str, Any]:
    """What was booked, and what the account has then."""
    told = {"amount": chips(booked.amount), "accountId": booked.account_id, "transactionType": booked.kind.value}
    return told | {"balance": balance_json(services.wallet.balance(booked.account_id))}
