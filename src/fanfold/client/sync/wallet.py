# Made from aio/wallet.py by tools/make_sync_client.py; change that one.
"""An account's money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fanfold.client import wallet_calls
from fanfold.client.pages import Page
from fanfold.client.sync.transport import Transport
from fanfold.wire.wallet import (
    BookingAnswer,
    UsageOfGroup,
    WalletAudit,
    WalletBalance,
    WalletCoupon,
    WalletPrice,
    WalletStatus,
    WalletTransaction,
)


class Wallet:
    """Balance, bookings, reports; for administrators top-ups, refunds, coupons and prices. Amounts are chips."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def balance(self, account_id: str = "") -> WalletBalance:
        """What the account has; an administrator may name any."""
        return self._transport.perform(wallet_calls.balance(account_id))

    def status(self) -> WalletStatus:
        """Whether the server charges, and whether it asks the account's balance before a job runs."""
        return self._transport.perform(wallet_calls.status())

    def transactions(
        self, types: Sequence[str] = (), job_id: str = "", limit: int = 50, offset: int = 0, account_id: str = ""
    ) -> Page[WalletTransaction]:
        """A page of bookings, newest first."""
        body = {"transactionTypes": list(types), "jobId": job_id, "limit": limit, "offset": offset}
        return self._transport.perform(wallet_calls.transactions(body | {"accountId": account_id}))

    def transactions_csv(
        self, since: datetime | None = None, until: datetime | None = None, account_id: str = ""
    ) -> str:
        """All bookings, or those of a time, as CSV, oldest first."""
        return self._transport.perform(wallet_calls.transactions_csv(account_id, since, until))

    def invoice(self, month: str, account_id: str = "") -> str:
        """What the account was charged in a month (`2031-05`), job by job, as CSV."""
        return self._transport.perform(wallet_calls.invoice(month, account_id))

    def usage(
        self,
        by: Sequence[str] = ("month",),
        since: datetime | None = None,
        until: datetime | None = None,
        account_id: str = "",
    ) -> tuple[UsageOfGroup, ...]:
        """What programs used, by any of account, template, label and month; an administrator may name any account, or
        all with `*`."""
        call = wallet_calls.usage(",".join(by), since, until, account_id)
        return tuple((self._transport.perform(call)).usage)

    def exchange_rate(self) -> float:
        """What a chip is worth in US dollars; 0 where money is not shown."""
        return (self._transport.perform(wallet_calls.exchange_rate())).chip_usd

    def redeem(self, code: str) -> BookingAnswer:
        """Credit a coupon to the account."""
        return self._transport.perform(wallet_calls.redeem(code))

    def enable(self) -> WalletStatus:
        """Have the server charge from now on. Safe to repeat."""
        return self._transport.perform(wallet_calls.enable())

    def top_up(self, account_id: str, amount: Decimal | str | int, notes: str = "", key: str = "") -> BookingAnswer:
        """Give an account chips, once for a key."""
        return self._transport.perform(wallet_calls.top_up(account_id, amount, notes, key))

    def refund(self, job_id: str, amount: Decimal | str | int | None = None, notes: str = "") -> BookingAnswer:
        """Give back what a job was charged, or a part of it."""
        return self._transport.perform(wallet_calls.refund(job_id, amount, notes))

    def coupons(self) -> tuple[WalletCoupon, ...]:
        """All coupons, newest first."""
        return tuple((self._transport.perform(wallet_calls.coupons())).coupons)

    def make_coupon(
        self, amount: Decimal | str | int, uses: int = 1, code: str = "", expires_at: datetime | None = None
    ) -> WalletCoupon:
        """A new coupon; without a code it gets one that nobody guesses."""
        return (self._transport.perform(wallet_calls.make_coupon(amount, uses, code, expires_at))).coupon

    def prices(self) -> tuple[WalletPrice, ...]:
        """The price list."""
        return tuple((self._transport.perform(wallet_calls.prices())).prices)

    def add_price(self, rate: Decimal | str | int, **line: Any) -> WalletPrice:
        """A new line of the price list; `line` gives `resource`, `region`, `gpu`, `validFrom`, `validUntil`."""
        return (self._transport.perform(wallet_calls.add_price({"rate": str(rate), **line}))).price

    def end_price(self, price_id: str) -> WalletPrice:
        """Let a line of the price list end now."""
        return (self._transport.perform(wallet_calls.end_price(price_id))).price

    def audit(self) -> WalletAudit:
        """Have the server prove its books."""
        return self._transport.perform(wallet_calls.audit())
