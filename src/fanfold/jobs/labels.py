"""Names that people know their chunks by: what a partitioner says, made fit for every table, log and terminal."""

from __future__ import annotations

import json
import unicodedata

from fanfold.errors import BadInput
from fanfold.jobs.contract import LABELS_FILE

MAX_LABEL = 300
MAX_LABELS_BYTES = 64 * 1024 * 1024
_UNSPEAKABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of text, and so make a name look like another."""


def read_labels(data: bytes, count: int) -> list[str]:
    """The names in a `labels.json` for so many chunks; BadInput where it is none."""
    if len(data) > MAX_LABELS_BYTES:
        raise BadInput(f"the partitioner's {LABELS_FILE} has more than {MAX_LABELS_BYTES} bytes; make names shorter")
    try:
        labels = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise BadInput(f"the partitioner's {LABELS_FILE} is not a JSON list of texts: {str(err)[:100]}") from err
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BadInput(f"the partitioner's {LABELS_FILE} is not a JSON list of texts")
    if len(labels) != count:
        raise BadInput(f"the partitioner's {LABELS_FILE} has {len(labels)} names for {count} chunks")
    return [speakable(label) for label in labels]


def speakable(label: str) -> str:
    """At most MAX_LABEL letters of a name; what a terminal would obey, or no store takes, becomes `?`."""
    shown = label[:MAX_LABEL]
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(
        "?" if letter in _TURNING or unicodedata.category(letter) in _UNSPEAKABLE else letter for letter in shown
    )
