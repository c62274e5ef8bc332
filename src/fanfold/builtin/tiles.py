"""Where a tile lies in its picture, as the label of its chunk tells it."""

from __future__ import annotations

import re
from collections import namedtuple

from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Tile(NamedTuple):
        """A tile of a grid; `column` and `row` count from 1."""

        picture: str
        column: int
        columns: int
        row: int
        rows: int
else:
    Tile = namedtuple("Tile", ("picture", "column", "columns", "row", "rows"))  # noqa: PYI024 - typed above

LABEL = re.compile(
    r"(?P<picture>.+) column (?P<column>\d{1,9}) of (?P<columns>\d{1,9}), row (?P<row>\d{1,9}) of (?P<rows>\d{1,9})",
    re.DOTALL,
)
MAX_PIXELS = 64 * 1024 * 1024
PIXELS = {
    "type": "integer",
    "minimum": 1,
    "description": "Most pixels of a picture, which take up to 4 bytes of memory each; larger ones are refused.",
    "default": MAX_PIXELS,
}


def label_of(tile: Tile) -> str:
    """The label of a tile's chunk."""
    return f"{shown(tile.picture)} column {tile.column} of {tile.columns}, row {tile.row} of {tile.rows}"


def tile_of(label: str) -> Tile | None:
    """The tile that a label tells of; None where it tells of none."""
    found = LABEL.fullmatch(label)
    if found is None:
        return None
    column, columns, row, rows = (int(found[name]) for name in ("column", "columns", "row", "rows"))
    inside = 1 <= column <= columns and 1 <= row <= rows
    return Tile(found["picture"], column, columns, row, rows) if inside else None
