"""Accounts, users, keys, tokens and the audit log in portable SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fanfold.errors import Conflict, NotFound
from fanfold.jobs.access import Right, UserRole
from fanfold.ports.access import AccessStore, Account, ApiKey, AuditEntry, Holder, Token, User
from fanfold.stores.database import Connection, Database
from fanfold.stores.server_tables import accounts, api_keys, audit, tokens, users

Row = Mapping[Any, Any]


class SqlAccess:
    """See `ports.access`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- accounts and users

    def add_first(self, account: Account, user: User, key: ApiKey, mac: str, entry: AuditEntry) -> bool:
        """See `ports.access`."""
        with self._database.writing("add first account") as connection:
            if connection.execute(sa.select(users.c.id).limit(1)).first():
                return False
            connection.execute(sa.insert(accounts), asdict(account))
            connection.execute(sa.insert(users), asdict(user))
            connection.execute(sa.insert(api_keys), _key_row(key, mac))
            note(connection, entry)
        return True

    def add_account(self, account: Account, entry: AuditEntry) -> None:
        """See `ports.access`."""
        with self._database.writing("add account") as connection:
            if connection.execute(sa.select(accounts.c.id).where(accounts.c.id == account.id)).first():
                raise Conflict(f"an account with the id '{account.id}' exists already")
            connection.execute(sa.insert(accounts), asdict(account))
            note(connection, entry)

    def account(self, account_id: str) -> Account:
        """See `ports.access`."""
        with self._database.reading() as connection:
            return _account(connection, account_id)

    def accounts(self, limit: int, offset: int) -> tuple[list[Account], int]:
        """See `ports.access`."""
        query = sa.select(accounts).order_by(accounts.c.created_at, accounts.c.id)
        with self._database.reading() as connection:
            rows, total = _page(connection, query, limit, offset)
        return [Account(**row) for row in rows], total

    def change_account(self, account_id: str, changes: Mapping[str, Any], entry: AuditEntry) -> Account:
        """See `ports.access`."""
        with self._database.writing("change account") as connection:
            connection.execute(sa.update(accounts).where(accounts.c.id == account_id).values(**changes))
            changed = _account(connection, account_id)
            _keep_an_administrator(connection, entry.at)
            note(connection, entry)
        return changed

    def add_user(self, user: User, entry: AuditEntry) -> None:
        """See `ports.access`."""
        with self._database.writing("add user") as connection:
            _account(connection, user.account_id)
            connection.execute(sa.insert(users), asdict(user))
            note(connection, entry)

    def user(self, user_id: str) -> User:
        """See `ports.access`."""
        with self._database.reading() as connection:
            return _user(connection, user_id)

    def users(self, account_id: str, limit: int, offset: int) -> tuple[list[User], int]:
        """See `ports.access`."""
        query = sa.select(users).order_by(users.c.created_at, users.c.id)
        if account_id:
            query = query.where(users.c.account_id == account_id)
        with self._database.reading() as connection:
            rows, total = _page(connection, query, limit, offset)
        return [_user_of(row) for row in rows], total

    def change_user(self, user_id: str, changes: Mapping[str, Any], entry: AuditEntry) -> User:
        """See `ports.access`."""
        with self._database.writing("change user") as connection:
            connection.execute(sa.update(users).where(users.c.id == user_id).values(**changes))
            changed = _user(connection, user_id)
            _keep_an_administrator(connection, entry.at)
            note(connection, entry)
        return changed

    # ---- keys and tokens

    def add_key(self, key: ApiKey, mac: str, entry: AuditEntry) -> None:
        """See `ports.access`."""
        with self._database.writing("add key") as connection:
            _user(connection, key.user_id)
            connection.execute(sa.insert(api_keys), _key_row(key, mac))
            note(connection, entry)

    def key(self, key_id: str) -> ApiKey:
        """See `ports.access`."""
        with self._database.reading() as connection:
            return _key(connection, key_id)

    def keys(self, user_id: str) -> list[ApiKey]:
        """See `ports.access`."""
        query = sa.select(api_keys).where(api_keys.c.user_id == user_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(api_keys.c.issued_at.desc(), api_keys.c.id)).mappings().all()
        return [_key_of(row) for row in rows]

    def revoke_key(self, key_id: str, at: datetime, entry: AuditEntry) -> ApiKey:
        """See `ports.access`."""
        unrevoked = (api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        with self._database.writing("revoke key") as connection:
            connection.execute(sa.update(api_keys).where(*unrevoked).values(revoked_at=at))
            revoked = _key(connection, key_id)
            _keep_an_administrator(connection, at)
            note(connection, entry)
        return revoked

    def holder_of_key(self, mac: str) -> Holder | None:
        """See `ports.access`."""
        with self._database.reading() as connection:
            row = connection.execute(_HOLDER.where(api_keys.c.mac == mac)).mappings().first()
        return None if row is None else _holder_of(row)

    def add_token(self, token: Token) -> None:
        """See `ports.access`."""
        with self._database.writing("add token") as connection:
            connection.execute(sa.delete(tokens).where(tokens.c.expires_at <= token.issued_at))
            connection.execute(sa.insert(tokens), asdict(token))
            used = sa.update(api_keys).where(api_keys.c.id == token.key_id)
            connection.execute(used.values(used_at=token.issued_at))

    def holder_of_token(self, mac: str) -> tuple[Token, Holder] | None:
        """See `ports.access`."""
        with self._database.reading() as connection:
            row = connection.execute(_TOKEN_HOLDER.where(tokens.c.mac == mac)).mappings().first()
        return None if row is None else (Token(**_part(row, tokens)), _holder_of(row))

    def revoke_token(self, mac: str, at: datetime) -> None:
        """See `ports.access`."""
        unrevoked = (tokens.c.mac == mac, tokens.c.revoked_at.is_(None))
        with self._database.writing("revoke token") as connection:
            connection.execute(sa.update(tokens).where(*unrevoked).values(revoked_at=at))

    # ---- audit

    def add_entry(self, entry: AuditEntry) -> None:
        """See `ports.access`."""
        with self._database.writing("audit") as connection:
            note(connection, entry)

    def entries(self, account_id: str, limit: int, offset: int) -> tuple[list[AuditEntry], int]:
        """See `ports.access`."""
        query = sa.select(audit).order_by(audit.c.seq.desc())
        if account_id:
            query = query.where(audit.c.account_id == account_id)
        with self._database.reading() as connection:
            rows, total = _page(connection, query, limit, offset)
        return [AuditEntry(**row) for row in rows], total


def _labelled(table: sa.Table) -> list[sa.Label[Any]]:
    """A table's columns under names that stay apart in a join."""
    return [column.label(f"{table.name}_{column.name}") for column in table.c]


_PEOPLE = api_keys.join(users, users.c.id == api_keys.c.user_id).join(accounts, accounts.c.id == users.c.account_id)
_HOLDER = sa.select(*_labelled(api_keys), *_labelled(users), *_labelled(accounts)).select_from(_PEOPLE)
_TOKEN_HOLDER = (
    sa.select(*_labelled(tokens), *_labelled(api_keys), *_labelled(users), *_labelled(accounts))
    .select_from(tokens.join(api_keys, api_keys.c.id == tokens.c.key_id))
    .join(users, users.c.id == api_keys.c.user_id)
    .join(accounts, accounts.c.id == users.c.account_id)
)


def _part(row: Row, table: sa.Table) -> dict[str, Any]:
    return {column.name: row[f"{table.name}_{column.name}"] for column in table.c}


def _holder_of(row: Row) -> Holder:
    return Holder(_key_of(_part(row, api_keys)), _user_of(_part(row, users)), Account(**_part(row, accounts)))


def _user_of(row: Row) -> User:
    return User(**{**row, "role": UserRole(row["role"])})


def _key_of(row: Row) -> ApiKey:
    values = {name: value for name, value in row.items() if name != "mac"}
    return ApiKey(**{**values, "scopes": frozenset(Right(scope) for scope in row["scopes"])})


def _key_row(key: ApiKey, mac: str) -> dict[str, Any]:
    return {**asdict(key), "scopes": sorted(key.scopes), "mac": mac}


def _account(connection: Connection, account_id: str) -> Account:
    row = connection.execute(sa.select(accounts).where(accounts.c.id == account_id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no account '{account_id[:100]}'")
    return Account(**row)


def _user(connection: Connection, user_id: str) -> User:
    row = connection.execute(sa.select(users).where(users.c.id == user_id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no user '{user_id[:100]}'")
    return _user_of(row)


def _key(connection: Connection, key_id: str) -> ApiKey:
    row = connection.execute(sa.select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no API key '{key_id[:100]}'")
    return _key_of(row)


def _keep_an_administrator(connection: Connection, now: datetime) -> None:
    """Conflict where the transaction so far leaves a server that nobody can administer."""
    query = _HOLDER.where(users.c.role == UserRole.ADMINISTRATOR.value, api_keys.c.revoked_at.is_(None))
    holders = (_holder_of(row) for row in connection.execute(query).mappings())
    if not any(holder.welcome(now) and holder.caller.may(Right.ADMINISTER) for holder in holders):
        raise Conflict("that would leave the server without an administrator who can sign in; make another one first")


def note(connection: Connection, entry: AuditEntry) -> None:
    """Add a line to the audit log within a transaction."""
    row = asdict(entry)
    del row["seq"]
    connection.execute(sa.insert(audit), row)


def _page(connection: Connection, query: sa.Select[Any], limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
    counted = sa.select(sa.func.count()).select_from(query.order_by(None).subquery())
    total: int = connection.execute(counted).scalar_one()
    rows = connection.execute(query.limit(limit).offset(offset)).mappings().all()
    return [dict(row) for row in rows], total


_fits: type[AccessStore] = SqlAccess
