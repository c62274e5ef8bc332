"""What the files of an attempt's log are called, and how much of it is kept.

The head of a log is `<attempt>.jsonl`. What comes after HEAD_BYTES lies in pieces `<attempt>.<byte>.jsonl`, named by
the byte of the whole log that they begin at; of these only the last PIECES_KEPT stay, and between head and pieces is a
gap. A line that has no end yet is in `<attempt>.open`, with the byte that it will begin at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fanfold.jobs.models import AttemptKey, Role, TaskKey

HEAD_BYTES = 48 * 1024 * 1024
PIECE_BYTES = 8 * 1024 * 1024
PIECES_KEPT = 2

_NAME = re.compile(r"(partitioner|app|assembler)-(\d{1,12})\.(\d{1,12})(?:\.(\d{1,15}))?\.(jsonl|open)")


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of an attempt's log: from which byte of the whole log on; None for a line without an end."""

    attempt: AttemptKey
    begin: int | None


def piece_name(attempt: str, begin: int) -> str:
    """The file that holds a log from a byte on; the one from byte 0 is its head."""
    return f"{attempt}.{begin}.jsonl" if begin else f"{attempt}.jsonl"


def open_name(attempt: str) -> str:
    """The file that holds a line without an end."""
    return f"{attempt}.open"


def log_file(job_id: str, name: str) -> LogFile | None:
    """What a file in the folder of a job's logs is; None where it is none of a log."""
    found = _NAME.fullmatch(name)
    if found is None or (found[5] == "open" and found[4]):
        return None
    attempt = AttemptKey(TaskKey(job_id, Role(found[1]), int(found[2])), int(found[3]))
    return LogFile(attempt, None if found[5] == "open" else int(found[4] or 0))
