"""Listings and records: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanfold.wire.base import Shape

WIDE = 240
"""Columns of a table that nobody sees, so that a program's pipe cuts nothing."""
EPOCH = "1970-01-01"
"""The time of what was always there."""


def print_json(value: Any) -> None:
    """A value, or several, as the API has them."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    from fanfold.wire.base import Shape

    if isinstance(value, Shape):
        return value.model_dump(by_alias=True, mode="json")
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], more: int = 0) -> None:
    """A table on standard output; `more`: how many further ones there are."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(said(cell)) for cell in row))
    console.print(table)
    if more > 0:
        Console(stderr=True).print(f"{more:,} more; see --limit and --offset", style="dim")


def print_record(fields: Mapping[str, object]) -> None:
    """One thing, a line for each of its fields that says something."""
    print_table(("", ""), [(name, value) for name, value in fields.items() if value not in (None, "", {}, [])])


def said(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def when(text: str | None) -> str:
    """A time of the API without its fractions of a second."""
    return "" if not text or text.startswith(EPOCH) else text[:19].replace("T", " ")


def dumped(shape: Shape) -> dict[str, Any]:
    """A shape's public fields."""
    return shape.model_dump(by_alias=True, mode="json")
