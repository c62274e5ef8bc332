"""Failures that are alike: what a program said last, without what differs from chunk to chunk.

Two failures are of one group where they have the same reason, the same frame and, with numbers, quoted texts and
addresses left out, the same exception.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

MAX_EXCEPTION = 300
GROUP_ID_LENGTH = 12

_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>[0-9]+), in (?P<name>.+)$')
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:: .*)?$")
_VARYING = (
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`"), "'...'"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "#"),
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b|\b(?=[a-f]*[0-9])[0-9a-f]{12,}\b"), "#"),
    (re.compile(r"(?<![A-Za-z_])/?(?:[\w.+-]+/)+"), ""),
    (re.compile(r"[0-9]+"), "#"),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """What a program said last: of a Python traceback its exception and innermost frame (`main.py:12 parse`), of any
    other output the last line. Both are empty where it said nothing."""

    exception: str = ""
    frame: str = ""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed tasks of one job that failed alike. The message and all that begins with `first_`
    are those of the first."""

    id: str
    reason: str
    message: str
    frame: str
    count: int
    first_at: datetime
    first_index: int
    first_label: str = ""


def cause_of(lines: Iterable[str]) -> Cause:
    """The cause that the last lines of a log tell, oldest first; printable whatever the program printed."""
    listed = [printable(line).rstrip() for line in lines]
    frames = [position for position, line in enumerate(listed) if _FRAME.match(line)]
    if frames:
        exceptions = (line for line in listed[frames[-1] + 1 :] if not line.startswith(" ") and _EXCEPTION.match(line))
        exception = next(exceptions, "")
        if exception:
            return Cause(exception[:MAX_EXCEPTION], _frame(listed[frames[-1]]))
    last = next((line.strip() for line in reversed(listed) if line.strip()), "")
    return Cause(last[:MAX_EXCEPTION])


def printable(line: str) -> str:
    """A line with blanks for what a terminal would obey or a database would not take."""
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else " " for letter in line)


def _frame(line: str) -> str:
    found = _FRAME.match(line)
    assert found is not None
    return f"{PurePath(found['file']).name}:{found['line']} {found['name']}"


def group_id(reason: str, cause: Cause) -> str:
    """The id of the group that a failure belongs to; the same in every job."""
    told = "\0".join((reason, normalised(cause.exception), cause.frame))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:GROUP_ID_LENGTH]


def normalised(exception: str) -> str:
    """An exception without what differs from chunk to chunk."""
    for pattern, placeholder in _VARYING:
        exception = pattern.sub(placeholder, exception)
    return exception
