"""The name of one input file, made safe from whatever a stranger called it."""

from __future__ import annotations

MAX_NAME_BYTES = 255
DEFAULT_NAME = "input"


def plain_name(wanted: str, otherwise: str = DEFAULT_NAME) -> str:
    """The last part of a path, without control characters, cut to 255 bytes; `otherwise` where nothing is left."""
    last = wanted.replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in last if letter.isprintable()).strip()
    name = name.encode("utf-8", "ignore")[:MAX_NAME_BYTES].decode("utf-8", "ignore")
    return otherwise if name in ("", ".", "..") else name
