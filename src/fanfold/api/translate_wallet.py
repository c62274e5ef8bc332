"""Money between our values and the public shapes."""

from __future__ import annotations

from typing import Any

from fanfold.api.translate import rfc3339
from fanfold.jobs.estimates import Estimate
from fanfold.jobs.ledger import Entry
from fanfold.jobs.money import Kind, Price, chips, whole
from fanfold.ports.wallet import Audit, Balance, Coupon
from fanfold.services.wallet import MonthOfUsage

_DESCRIPTIONS = {
    Kind.TOP_UP: "top-up",
    Kind.COUPON: "coupon",
    Kind.HOLD: "put aside for job {job}",
    Kind.RELEASE: "given back of what was put aside for job {job}",
    Kind.CHARGE: "attempt {entity}",
    Kind.REFUND: "refund for job {job}",
}


def balance_json(found: Balance) -> dict[str, Any]:
    """What an account has, in numbers."""
    amounts = {"totalBalance": found.total, "availableBalance": found.available, "amountDue": found.due}
    return {"accountId": found.account_id} | {name: float(amount) for name, amount in amounts.items()}


def older_balance_json(found: Balance) -> dict[str, Any]:
    """What an account has, in texts."""
    amounts = {"totalBalance": found.total, "availableBalance": found.available, "amountDue": found.due}
    return {"accountId": found.account_id} | {name: _text(amount) for name, amount in amounts.items()}


def _text(amount: Any) -> str:
    return f"{amount.normalize():f}" if amount else "0"


def transaction_json(line: Entry) -> dict[str, Any]:
    """A line of the ledger."""
    one = line.booking
    return {
        "id": str(line.seq),
        "createdAt": rfc3339(line.at),
        "accountId": one.account_id,
        "accountFrom": one.source,
        "accountTo": one.target,
        "amount": float(one.amount),
        "transactionType": one.kind.value,
        "relatedEntity": one.entity or one.job_id,
        "notes": one.notes,
        "transactionData": {**one.data, "amount": chips(one.amount), "balance": chips(line.balance), "key": one.key},
        "hash": line.hash,
        "relatedEntityData": {"jobId": one.job_id} if one.job_id else {},
        "description": _DESCRIPTIONS[one.kind].format(job=one.job_id, entity=one.entity),
        "balance": float(line.balance),
    }


def coupon_json(coupon: Coupon) -> dict[str, Any]:
    """A coupon."""
    return {
        "code": coupon.code,
        "amount": chips(coupon.amount),
        "uses": coupon.uses,
        "used": coupon.used,
        "createdAt": rfc3339(coupon.created_at),
        "expiresAt": rfc3339(coupon.expires_at),
    }


def price_json(price: Price) -> dict[str, Any]:
    """A line of the price list."""
    return {
        "id": price.id,
        "rate": f"{price.rate.normalize():f}",
        "resource": price.resource.value,
        "region": price.region,
        "gpu": price.gpu,
        "validFrom": rfc3339(price.valid_from),
        "validUntil": rfc3339(price.valid_until),
    }


def audit_json(found: Audit) -> dict[str, Any]:
    """The proof of the books."""
    told = {"entries": found.entries, "seal": found.seal, "sum": chips(found.sum), "faults": list(found.faults)}
    return {"ok": not found.faults, **told}


def usage_json(found: MonthOfUsage) -> dict[str, Any]:
    """What a group used."""
    line = found.line
    return {
        "month": found.month,
        "accountId": line.account_id,
        "templateId": line.template_id,
        "label": line.label,
        "attempts": line.attempts,
        "programSeconds": line.run_us / 1_000_000,
        "cpuSeconds": line.cpu_s,
        "cost": chips(line.cost),
    }


def estimation_json(found: Estimate) -> dict[str, Any]:
    """What a job would cost."""
    return {
        "totalEstimation": whole(found.median),
        "estimatedCost": chips(found.median),
        "low": chips(found.low),
        "high": chips(found.high),
        "runsSeen": found.runs_seen,
        "basis": found.basis,
    }
