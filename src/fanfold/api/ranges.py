"""Parts of a file by RFC 9110: one byte range, unchanged copies, conditions. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end`, the latter not included."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many."""
        return self.end - self.start


class OutOfRange(Exception):
    """A range that begins behind the end."""


def part_of(header: str, size_bytes: int) -> Part | None:
    """What a `Range` header means for a file of that size; None for the whole, also for what is not one byte range,
    which a server may leave aside. Raises OutOfRange."""
    found = _RANGE.fullmatch(header)
    if found is None or found[1] + found[2] == "":
        return None
    if not found[1]:
        last = int(found[2])
        if last == 0 or size_bytes == 0:
            raise OutOfRange
        return Part(max(0, size_bytes - last), size_bytes)
    start = int(found[1])
    end = int(found[2]) + 1 if found[2] else size_bytes
    if end <= start and found[2]:
        return None
    if start >= size_bytes:
        raise OutOfRange
    return Part(start, min(end, size_bytes))


def is_known(header: str, etag: str) -> bool:
    """Whether an `If-None-Match` header names the tag of the file as it is."""
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return bool(header) and ("*" in tags or etag in tags)
