"""Secrets and their grants in portable SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from fanfold.errors import Conflict, NotFound
from fanfold.ports.access import AuditEntry
from fanfold.ports.secrets import Grant, Sealed, SecretRecord, SecretStore, SecretType
from fanfold.stores.access import note
from fanfold.stores.database import Connection, Database
from fanfold.stores.schema import jobs
from fanfold.stores.server_tables import secret_grants, secrets

Where = tuple[sa.ColumnElement[bool], ...]


class SqlSecrets:
    """See `ports.secrets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, record: SecretRecord, entry: AuditEntry | None) -> SecretRecord:
        """See `ports.secrets`."""
        where = _key(record.account_id, record.id)
        with self._database.writing("put secret") as connection:
            found = _found(connection, where)
            if found is None:
                connection.execute(sa.insert(secrets), _row(record))
            elif found.type is not record.type:
                raise Conflict(f"the secret '{record.id}' is of type '{found.type.value}'; delete that one first")
            else:
                record = replace(record, created_at=found.created_at)
                connection.execute(sa.update(secrets).where(*where).values(**_row(record)))
            if entry is not None:
                note(connection, entry)
        return record

    def find(self, account_id: str, secret_id: str) -> SecretRecord | None:
        """See `ports.secrets`."""
        with self._database.reading() as connection:
            return _found(connection, _key(account_id, secret_id))

    def listed(self, account_id: str) -> list[SecretRecord]:
        """See `ports.secrets`."""
        own = sa.select(secrets).where(secrets.c.account_id == account_id, *_PEOPLES)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(own.order_by(secrets.c.id)).mappings()]

    def delete(self, account_id: str, type_: SecretType, secret_id: str, entry: AuditEntry) -> None:
        """See `ports.secrets`."""
        where = (*_own(account_id, secret_id), secrets.c.type == type_.value)
        with self._database.writing("delete secret") as connection:
            if connection.execute(sa.delete(secrets).where(*where)).rowcount != 1:
                raise NotFound(f"there is no secret '{secret_id[:100]}' of type '{type_.value}'")
            connection.execute(sa.delete(secret_grants).where(*_granted(account_id, secret_id)))
            note(connection, entry)

    def grant(self, grant: Grant, entry: AuditEntry) -> None:
        """See `ports.secrets`."""
        here = (*_granted(grant.account_id, grant.secret_id), secret_grants.c.block_id == grant.block_id)
        with self._database.writing("grant secret") as connection:
            if _found(connection, _own(grant.account_id, grant.secret_id)) is None:
                raise NotFound(f"there is no secret '{grant.secret_id[:100]}'")
            connection.execute(sa.delete(secret_grants).where(*here))
            connection.execute(sa.insert(secret_grants), asdict(grant))
            note(connection, entry)

    def revoke(self, account_id: str, secret_id: str, block_id: str, entry: AuditEntry) -> None:
        """See `ports.secrets`."""
        here = (*_granted(account_id, secret_id), secret_grants.c.block_id == block_id)
        with self._database.writing("revoke secret") as connection:
            if connection.execute(sa.delete(secret_grants).where(*here)).rowcount:
                note(connection, entry)

    def grants(self, account_id: str, secret_id: str = "") -> list[Grant]:
        """See `ports.secrets`."""
        query = sa.select(secret_grants).where(secret_grants.c.account_id == account_id)
        if secret_id:
            query = query.where(secret_grants.c.secret_id == secret_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(secret_grants.c.secret_id, secret_grants.c.tag)).mappings()
            return [Grant(**row) for row in rows]

    def forget(self, account_id: str, ids: Sequence[str]) -> None:
        """See `ports.secrets`."""
        theirs = (secrets.c.account_id == account_id, sa.not_(sa.and_(*_PEOPLES)), secrets.c.id.in_(ids))
        with self._database.writing("forget secrets") as connection:
            connection.execute(sa.delete(secrets).where(*theirs))

    def forget_orphans(self) -> int:
        """See `ports.secrets`."""
        named = sa.or_(
            *(
                place["params"]["secret_id"].as_string() == secrets.c.id
                for place in (jobs.c.data_source, jobs.c.data_destination)
            )
        )
        naming = sa.exists().where(jobs.c.id == secrets.c.job_id, jobs.c.deleted_at.is_(None), named)
        with self._database.writing("forget orphaned secrets") as connection:
            return connection.execute(sa.delete(secrets).where(secrets.c.job_id != "", ~naming)).rowcount

    def wrapped_otherwise(self, master: str, limit: int) -> list[SecretRecord]:
        """See `ports.secrets`."""
        query = sa.select(secrets).where(secrets.c.master != master).limit(limit)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def rewrap(self, record: SecretRecord, sealed: Sealed) -> bool:
        """See `ports.secrets`."""
        same = (secrets.c.wrapped_key == record.sealed.wrapped_key, secrets.c.value == record.sealed.value)
        where = (*_key(record.account_id, record.id), *same)
        with self._database.writing("rewrap secret") as connection:
            return connection.execute(sa.update(secrets).where(*where).values(**asdict(sealed))).rowcount == 1


_PEOPLES = (secrets.c.job_id == "", secrets.c.id.not_like("%:%"))
"""Secrets that people stored; ids of jobs' and blocks' have a colon."""


def _key(account_id: str, secret_id: str) -> Where:
    return secrets.c.account_id == account_id, secrets.c.id == secret_id


def _own(account_id: str, secret_id: str) -> Where:
    return *_key(account_id, secret_id), *_PEOPLES


def _granted(account_id: str, secret_id: str) -> Where:
    return secret_grants.c.account_id == account_id, secret_grants.c.secret_id == secret_id


def _found(connection: Connection, where: Where) -> SecretRecord | None:
    row = connection.execute(sa.select(secrets).where(*where)).mappings().first()
    return None if row is None else _record(row)


_PLAIN = ("account_id", "id", "name", "access_key", "created_at", "updated_at", "expires_at", "job_id")


def _row(record: SecretRecord) -> dict[str, Any]:
    plain = {name: getattr(record, name) for name in _PLAIN}
    return plain | {"type": record.type.value} | asdict(record.sealed)


def _record(row: Mapping[Any, Any]) -> SecretRecord:
    sealed = Sealed(row["master"], row["wrapped_key"], row["value"])
    return SecretRecord(**{name: row[name] for name in _PLAIN}, type=SecretType(row["type"]), sealed=sealed)


_fits: type[SecretStore] = SqlSecrets
