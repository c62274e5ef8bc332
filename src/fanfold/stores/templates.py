"""Templates in portable SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fanfold.errors import NotFound
from fanfold.jobs.blocks import Template
from fanfold.ports.templates import TemplateRecord, TemplateStore
from fanfold.stores.database import Database
from fanfold.stores.server_tables import templates

_PUBLIC = (templates.c.is_public, templates.c.deleted_at.is_(None))


class SqlTemplates:
    """See `ports.templates`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, record: TemplateRecord) -> TemplateRecord:
        """See `ports.templates`."""
        where = _key(record.account_id, record.template.id)
        with self._database.writing("put template") as connection:
            found = connection.execute(sa.select(templates).where(*where)).mappings().first()
            if found is None:
                connection.execute(sa.insert(templates).values(**_row(record)))
                return record
            if found["deleted_at"] is None:
                record = replace(record, created_at=found["created_at"], is_public=found["is_public"])
            connection.execute(sa.update(templates).where(*where).values(**_row(record)))
            return record

    def template(self, account_id: str, template_id: str) -> TemplateRecord | None:
        """See `ports.templates`."""
        found = self._records(sa.select(templates).where(*_there(account_id, template_id)))
        return found[0] if found else None

    def public(self, template_id: str) -> list[TemplateRecord]:
        """See `ports.templates`."""
        return self._records(sa.select(templates).where(templates.c.id == template_id, *_PUBLIC))

    def listed(self, account_id: str | None, limit: int, offset: int) -> tuple[list[TemplateRecord], int]:
        """See `ports.templates`."""
        own = (templates.c.account_id == account_id, templates.c.deleted_at.is_(None))
        query = sa.select(templates).where(*(_PUBLIC if account_id is None else own))
        with self._database.reading() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
        page = query.order_by(templates.c.id, templates.c.account_id).limit(limit).offset(offset)
        return self._records(page), total

    def set_public(self, account_id: str, template_id: str, is_public: bool, at: datetime) -> TemplateRecord:
        """See `ports.templates`."""
        there = _there(account_id, template_id)
        values = {"is_public": is_public, "updated_at": at}
        with self._database.writing("publish template") as connection:
            if connection.execute(sa.update(templates).where(*there).values(**values)).rowcount != 1:
                raise NotFound(f"there is no template '{template_id}'")
            return _record(connection.execute(sa.select(templates).where(*there)).mappings().one())

    def delete(self, account_id: str, template_id: str, at: datetime) -> bool:
        """See `ports.templates`."""
        gone = sa.update(templates).where(*_there(account_id, template_id)).values(deleted_at=at, is_public=False)
        with self._database.writing("delete template") as connection:
            return connection.execute(gone).rowcount == 1

    def _records(self, query: sa.Select[Any]) -> list[TemplateRecord]:
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]


def _key(account_id: str, template_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return templates.c.account_id == account_id, templates.c.id == template_id


def _there(account_id: str, template_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return *_key(account_id, template_id), templates.c.deleted_at.is_(None)


def _row(record: TemplateRecord) -> dict[str, Any]:
    names = ("account_id", "imported_from", "is_public", "created_at", "updated_at")
    body = {item.name: getattr(record.template, item.name) for item in fields(Template)}
    return {name: getattr(record, name) for name in names} | {"id": body.pop("id"), "body": body, "deleted_at": None}


def _record(row: Mapping[Any, Any]) -> TemplateRecord:
    return TemplateRecord(
        account_id=row["account_id"],
        template=Template(id=row["id"], **row["body"]),
        is_public=row["is_public"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        imported_from=row["imported_from"],
    )


_fits: type[TemplateStore] = SqlTemplates
