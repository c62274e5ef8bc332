"""The tables of a database as plain rows, to be read whole and written whole: what moves a server to another database.

A value of a row is a string, a number, a truth value, None or bytes, the same from whatever database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Value = str | int | float | bool | bytes | None
Row = list[Value]


class ReadTables(Protocol):
    """The rows of one moment."""

    def schema(self) -> str:
        """Which release's tables these are."""

    def columns(self) -> dict[str, list[str]]:
        """Every table, and its columns in the order of a row's values."""

    def rows(self, table: str) -> Iterator[Row]:
        """All rows of a table, streamed, in no order."""


class NewTables(ReadTables, Protocol):
    """Tables that are being filled; nothing of them is there until the block is left without error."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Add rows; BadInput where they do not fit the table."""

    def go_on_counting(self) -> None:
        """Numbers that the database gives out go on after the highest of the rows."""

    def bring_up_to_date(self) -> None:
        """From an earlier release's tables to those of this one."""


class Tables(Protocol):
    """One database. Raises Unavailable, OutOfSpace."""

    def is_empty(self) -> bool:
        """Whether there is not a single row; Conflict where it is not Fanfold's."""

    def reading(self) -> AbstractContextManager[ReadTables]:
        """The rows as they are now, for as long as the block takes."""

    def making(self, schema: str) -> AbstractContextManager[NewTables]:
        """New tables, as a release of this schema had them, in place of empty ones; Conflict for an unknown schema."""
