"""The tables of money: the ledger, what it comes to, prices, coupons, and whether this server charges."""

from __future__ import annotations

import sqlalchemy as sa

from fanfold.stores.schema import Chips, UtcTime, metadata


def _text(name: str, *, primary_key: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=primary_key, unique=unique or None)


def _chips(name: str) -> sa.Column[object]:
    return sa.Column(name, Chips, nullable=False)


def _time(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, UtcTime, nullable=nullable)


ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    _text("key", unique=True),
    _time("at", nullable=False),
    _text("account_id"),
    _text("source"),
    _text("target"),
    _chips("amount"),
    _text("kind"),
    _text("job_id"),
    _text("entity"),
    _text("notes"),
    sa.Column("data", sa.JSON, nullable=False),
    _chips("balance"),
    _text("hash"),
    sa.Index("ledger_by_account", "account_id", "seq"),
    sa.Index("ledger_by_job", "job_id", "seq"),
)

wallets = sa.Table(
    "wallets",
    metadata,
    _text("account", primary_key=True),
    _chips("balance"),
    _chips("held"),
    _time("below_since"),
)

prices = sa.Table(
    "prices",
    metadata,
    _text("id", primary_key=True),
    _text("rate"),
    _time("valid_from", nullable=False),
    _time("valid_until"),
    _text("resource"),
    _text("region"),
    _text("gpu"),
)

coupons = sa.Table(
    "coupons",
    metadata,
    _text("code", primary_key=True),
    _chips("amount"),
    sa.Column("uses", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    _time("created_at", nullable=False),
    _time("expires_at"),
)

charging = sa.Table("charging", metadata, sa.Column("one", sa.Integer, primary_key=True), _time("since"))
