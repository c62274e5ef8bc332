"""Blocks and imports in portable SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from fanfold.errors import Conflict, NotFound
from fanfold.jobs.blocks import BlockType
from fanfold.jobs.models import JobState, Role
from fanfold.jobs.tags import version_key
from fanfold.ports.blocks import BlockFilter, BlockRecord, BlockStatus, BlockStore
from fanfold.stores.database import Connection, Database
from fanfold.stores.schema import jobs
from fanfold.stores.server_tables import block_imports, blocks

NAMED_AT_MOST = 3
_ENDED = (JobState.NEW, JobState.COMPLETE, JobState.FAILED)
_PINNED = ("revision", "description", "manifest", "schema", "hash", "archive", "package")
_PLAIN = ("id", "account_id", "name", "version", "is_public", "created_at", "updated_at", "deleted_at", *_PINNED)


class SqlBlocks:
    """See `ports.blocks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def push(self, block: BlockRecord) -> BlockRecord:
        """See `ports.blocks`."""
        same = ("account_id", "type", "name", "version")
        with self._database.writing("push block") as connection:
            where = [blocks.c[name] == getattr(block, name) for name in same]
            found = connection.execute(sa.select(blocks).where(*where)).mappings().first()
            if found is None:
                written = replace(block, revision=1, status=BlockStatus.INACTIVE, is_public=False, deleted_at=None)
                connection.execute(sa.insert(blocks).values(**_row(written)))
                return written
            written = _pushed_again(_record(found), block)
            connection.execute(sa.update(blocks).where(blocks.c.id == written.id).values(**_row(written)))
            return written

    def own(self, account_id: str, types: Sequence[BlockType], name: str) -> list[BlockRecord]:
        """See `ports.blocks`."""
        return self._records(_own_of_a_name(), account_id, types, name)

    def imported(self, account_id: str, types: Sequence[BlockType], name: str) -> list[BlockRecord]:
        """See `ports.blocks`."""
        return self._records(_imported_of_a_name(), account_id, types, name)

    def public(self, types: Sequence[BlockType], name: str) -> list[BlockRecord]:
        """See `ports.blocks`."""
        return self._records(_public_of_a_name(), "", types, name)

    def listed(self, wanted: BlockFilter) -> tuple[list[BlockRecord], int]:
        """See `ports.blocks`."""
        mine = sa.and_(block_imports.c.block_id == blocks.c.id, block_imports.c.account_id == wanted.account_id)
        query = sa.select(blocks, block_imports.c.pinned, block_imports.c.imported_at).outerjoin(block_imports, mine)
        query = query.where(_of_types(wanted.types))
        if wanted.public:
            query = sa.select(blocks).where(_of_types(wanted.types), *_PUBLIC)
        else:
            own = sa.and_(blocks.c.account_id == wanted.account_id, blocks.c.deleted_at.is_(None))
            query = query.where(sa.or_(own, block_imports.c.block_id.is_not(None)))
        order = (blocks.c.name, blocks.c.type, blocks.c.major.desc(), blocks.c.minor.desc(), blocks.c.account_id)
        with self._database.reading() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
            page = query.order_by(*order).limit(wanted.limit).offset(wanted.offset)
            return [_record(row) for row in connection.execute(page).mappings()], total

    def set_status(self, block_id: str, status: BlockStatus, at: datetime) -> BlockRecord:
        """See `ports.blocks`."""
        return self._changed(block_id, {"status": status.value, "updated_at": at})

    def set_public(self, block_id: str, is_public: bool, at: datetime) -> BlockRecord:
        """See `ports.blocks`."""
        return self._changed(block_id, {"is_public": is_public, "updated_at": at})

    def pin(self, account_id: str, block: BlockRecord, at: datetime) -> None:
        """See `ports.blocks`."""
        values = {
            "revision": block.revision,
            "pinned": {name: getattr(block, name) for name in _PINNED},
            "imported_at": at,
        }
        key = (block_imports.c.account_id == account_id, block_imports.c.block_id == block.id)
        with self._database.writing("import block") as connection:
            if connection.execute(sa.update(block_imports).where(*key).values(**values)).rowcount != 1:
                values |= {"account_id": account_id, "block_id": block.id}
                connection.execute(sa.insert(block_imports).values(**values))

    def delete(self, account_id: str, block: BlockRecord, at: datetime) -> None:
        """See `ports.blocks`."""
        with self._database.writing("delete block") as connection:
            _refuse_while_needed(connection, account_id, block)
            if block.account_id == account_id:
                gone = {"deleted_at": at, "status": BlockStatus.INACTIVE.value, "is_public": False}
                connection.execute(sa.update(blocks).where(blocks.c.id == block.id).values(**gone))
            else:
                key = (block_imports.c.account_id == account_id, block_imports.c.block_id == block.id)
                connection.execute(sa.delete(block_imports).where(*key))

    def _changed(self, block_id: str, values: dict[str, Any]) -> BlockRecord:
        there = (blocks.c.id == block_id, blocks.c.deleted_at.is_(None))
        with self._database.writing("change block") as connection:
            if connection.execute(sa.update(blocks).where(*there).values(**values)).rowcount != 1:
                raise NotFound("the block was deleted meanwhile")
            return _record(connection.execute(sa.select(blocks).where(*there)).mappings().one())

    def _records(
        self, query: sa.Select[Any], account_id: str, types: Sequence[BlockType], name: str
    ) -> list[BlockRecord]:
        values = {"of_account": account_id, "of_types": [kind.value for kind in types], "of_name": name}
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query, values).mappings()]


_PUBLIC = (blocks.c.is_public, blocks.c.status == BlockStatus.ACTIVE.value, blocks.c.deleted_at.is_(None))


def _of_types(types: Sequence[BlockType]) -> sa.ColumnElement[bool]:
    return blocks.c.type.in_([kind.value for kind in types])


_NAMED = (blocks.c.type.in_(sa.bindparam("of_types", expanding=True)), blocks.c.name == sa.bindparam("of_name"))


@cache
def _own_of_a_name() -> sa.Select[Any]:
    mine = (blocks.c.account_id == sa.bindparam("of_account"), blocks.c.deleted_at.is_(None))
    return sa.select(blocks).where(*mine, *_NAMED)


@cache
def _imported_of_a_name() -> sa.Select[Any]:
    query = sa.select(blocks, block_imports.c.pinned, block_imports.c.imported_at)
    query = query.join(block_imports, block_imports.c.block_id == blocks.c.id)
    return query.where(block_imports.c.account_id == sa.bindparam("of_account"), *_NAMED)


@cache
def _public_of_a_name() -> sa.Select[Any]:
    return sa.select(blocks).where(*_PUBLIC, *_NAMED)


def _refuse_while_needed(connection: Connection, account_id: str, block: BlockRecord) -> None:
    needs = sa.or_(*(jobs.c.blocks[role.value]["id"].as_string() == block.id for role in Role))
    unfinished = (jobs.c.deleted_at.is_(None), jobs.c.state.not_in([state.value for state in _ENDED]))
    query = sa.select(jobs.c.id).where(jobs.c.account_id == account_id, *unfinished, needs).limit(NAMED_AT_MOST)
    found = connection.execute(query).scalars().all()
    if found:
        named = ", ".join(f"'{job_id}'" for job_id in found)
        raise Conflict(f"unfinished jobs need '{block.tag}': {named}", hint="Wait for their end, or abort them.")


def _pushed_again(found: BlockRecord, new: BlockRecord) -> BlockRecord:
    """A record after a further push: what it is stays, what it holds is new, and it has to be activated again."""
    return replace(
        new,
        id=found.id,
        revision=found.revision + 1,
        status=BlockStatus.INACTIVE,
        is_public=found.is_public and found.deleted_at is None,
        created_at=found.created_at,
        deleted_at=None,
    )


def _row(block: BlockRecord) -> dict[str, Any]:
    major, minor = version_key(block.version)
    row = {name: getattr(block, name) for name in _PLAIN}
    return row | {"type": block.type.value, "status": block.status.value, "major": major, "minor": minor}


def _record(row: Mapping[Any, Any]) -> BlockRecord:
    """A record from its row; one that was imported, as it was then."""
    record = BlockRecord(
        **{name: row[name] for name in _PLAIN}, type=BlockType(row["type"]), status=BlockStatus(row["status"])
    )
    pinned = row.get("pinned")
    if pinned is None:
        return record
    return replace(record, **pinned, status=BlockStatus.ACTIVE, updated_at=row["imported_at"], deleted_at=None)


_fits: type[BlockStore] = SqlBlocks
