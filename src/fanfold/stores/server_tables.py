"""The tables of a server: accounts, users, keys, tokens, audit, secrets, blocks, templates, uploads, idempotency,
webhooks."""

from __future__ import annotations

import sqlalchemy as sa

from fanfold.stores.schema import PrintableText, UtcTime, metadata


def _text(name: str, *, primary_key: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=primary_key, unique=unique or None)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _time(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, UtcTime, nullable=nullable)


accounts = sa.Table(
    "accounts",
    metadata,
    _text("id", primary_key=True),
    _text("name"),
    _json("quotas"),
    _time("created_at", nullable=False),
    _time("disabled_at"),
)

users = sa.Table(
    "users",
    metadata,
    _text("id", primary_key=True),
    _text("account_id"),
    _text("name"),
    _text("email"),
    _text("role"),
    _time("created_at", nullable=False),
    _time("disabled_at"),
    sa.Index("users_by_account", "account_id"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _text("id", primary_key=True),
    _text("user_id"),
    _text("account_id"),
    _text("name"),
    _text("fingerprint"),
    _text("mac", unique=True),
    _json("scopes"),
    _time("issued_at", nullable=False),
    _time("expires_at"),
    _time("revoked_at"),
    _time("used_at"),
    sa.Index("api_keys_by_account", "account_id"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    _text("mac", primary_key=True),
    _text("key_id"),
    _time("issued_at", nullable=False),
    _time("expires_at", nullable=False),
    _time("revoked_at"),
    sa.Index("tokens_by_key", "key_id"),
    sa.Index("tokens_by_expiry", "expires_at"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _time("at", nullable=False),
    _text("account_id"),
    _text("user_id"),
    _text("request_id"),
    _text("action"),
    _text("object"),
    _json("data"),
    sa.Index("audit_by_account", "account_id", "seq"),
    sqlite_autoincrement=True,
)

secrets = sa.Table(
    "secrets",
    metadata,
    _text("account_id", primary_key=True),
    _text("id", primary_key=True),
    _text("name"),
    _text("type"),
    _text("access_key"),
    _text("job_id"),
    _text("master"),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    _time("created_at", nullable=False),
    _time("updated_at", nullable=False),
    _time("expires_at"),
    sa.Index("secrets_by_job", "job_id"),
)

secret_grants = sa.Table(
    "secret_grants",
    metadata,
    _text("account_id", primary_key=True),
    _text("secret_id", primary_key=True),
    _text("block_id", primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    _text("tag"),
    _time("granted_at", nullable=False),
)

blocks = sa.Table(
    "blocks",
    metadata,
    _text("id", primary_key=True),
    _text("account_id"),
    _text("type"),
    _text("name"),
    _text("version"),
    sa.Column("major", sa.BigInteger, nullable=False),
    sa.Column("minor", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    _text("status"),
    _text("description"),
    _json("manifest"),
    _json("schema"),
    _text("hash"),
    _text("archive"),
    _text("package"),
    _flag("is_public"),
    _time("created_at", nullable=False),
    _time("updated_at", nullable=False),
    _time("deleted_at"),
    sa.UniqueConstraint("account_id", "type", "name", "version", name="one_block_a_version"),
)

block_imports = sa.Table(
    "block_imports",
    metadata,
    _text("account_id", primary_key=True),
    _text("block_id", primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    _json("pinned"),
    _time("imported_at", nullable=False),
)

templates = sa.Table(
    "templates",
    metadata,
    _text("account_id", primary_key=True),
    _text("id", primary_key=True),
    _json("body"),
    _text("imported_from"),
    _flag("is_public"),
    _time("created_at", nullable=False),
    _time("updated_at", nullable=False),
    _time("deleted_at"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    _text("job_id", primary_key=True),
    _text("account_id"),
    _text("name"),
    _text("location"),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    _text("sha256"),
    _time("uploaded_at"),
    _time("completed_at"),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    _text("account_id", primary_key=True),
    _text("key", primary_key=True),
    _text("request"),
    sa.Column("status", sa.Integer),
    sa.Column("body", sa.Text),
    _time("at", nullable=False),
    _text("process"),
    sa.Index("idempotency_by_time", "at"),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    _text("id", primary_key=True),
    _text("account_id"),
    _text("url"),
    _json("events"),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("off", PrintableText, nullable=False),
    _time("created_at", nullable=False),
    sa.Index("webhooks_by_account", "account_id"),
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    _text("webhook_id", primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    _text("state"),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    _time("due_at"),
    sa.Column("status", sa.Integer),
    sa.Column("error", PrintableText, nullable=False),
    _time("ended_at"),
    sa.Index("webhook_deliveries_by_due_time", "due_at"),
    sa.Index("webhook_deliveries_by_end", "ended_at"),
)

leases = sa.Table(
    "leases",
    metadata,
    _text("name", primary_key=True),
    _text("holder"),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    _json("told"),
)
