"""The logs of a job on disk: one an attempt, in a fixed order, read from any byte on, whole lines only.

A byte of a log counts from its beginning, also where the files between its head and its tail are gone.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fanfold.jobs import log_names
from fanfold.jobs.log_names import LogFile, log_file, open_name, piece_name
from fanfold.jobs.models import AttemptKey, Role
from fanfold.ports.blobs import Blobs

LONGEST_LINE_BYTES = 1024 * 1024
NEAR_THE_END_BYTES = 64 * 1024
BACK_BYTES = 256 * 1024
MIB = 1024 * 1024
_ORDER = {Role.PARTITIONER: 0, Role.APP: 1, Role.ASSEMBLER: 2}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a program printed. `end` is the byte after it in its log; a line without an end has none."""

    attempt: AttemptKey
    at: datetime
    level: str
    text: str
    end: int


@dataclass(frozen=True, slots=True)
class Log:
    """One attempt's log: the folder of its files, where they begin, and whether it may have a line without an end."""

    attempt: AttemptKey
    folder: Path
    blobs: Blobs
    begins: tuple[int, ...] = ()
    is_open: bool = False


def place_of(attempt: AttemptKey) -> tuple[int, int, int]:
    """Where an attempt stands in the order of logs: partitioner, app by chunk, assembler; attempts as they came."""
    return _ORDER[attempt.task.role], attempt.task.index, attempt.fence


def logs_of(job_id: str, folder: Path, blobs: Blobs) -> list[Log]:
    """The logs of the attempts that printed something, in the order of logs."""
    found: dict[AttemptKey, list[LogFile]] = {}
    for name in blobs.names(folder):
        file = log_file(job_id, name)
        if file is not None:
            found.setdefault(file.attempt, []).append(file)
    return [_log(attempt, folder, blobs, found[attempt]) for attempt in sorted(found, key=place_of)]


def _log(attempt: AttemptKey, folder: Path, blobs: Blobs, found: list[LogFile]) -> Log:
    begins = tuple(sorted(file.begin for file in found if file.begin is not None))
    return Log(attempt, folder, blobs, begins, is_open=len(begins) < len(found))


def log_of(attempt: AttemptKey, folder: Path, blobs: Blobs) -> Log | None:
    """One attempt's log; None where it printed nothing. The folder is read only for a log that may lie in pieces."""
    is_open = (folder / open_name(attempt.name)).exists()
    try:
        size_bytes = _size(blobs, folder / piece_name(attempt.name, 0))
    except FileNotFoundError:
        return Log(attempt, folder, blobs, is_open=True) if is_open else None
    if size_bytes < log_names.HEAD_BYTES // 2:
        return Log(attempt, folder, blobs, (0,), is_open)
    return next((log for log in logs_of(attempt.task.job_id, folder, blobs) if log.attempt == attempt), None)


def _size(blobs: Blobs, path: Path) -> int:
    with blobs.open(path) as file:
        return file.seek(0, os.SEEK_END)


def lines_of(log: Log, start: int = 0, *, unfinished: bool = False) -> Iterator[LogLine]:
    """The whole lines from a byte on, and a line that says what was left out where a piece is gone.

    A line that is still being written comes the next time, unless `unfinished` asks for it.
    """
    for entry, end in entries_of(log, start, unfinished=unfinished):
        yield line_of(log.attempt, entry, end)


def entries_of(log: Log, start: int = 0, *, unfinished: bool = False) -> Iterator[tuple[bytes, int]]:
    """The same lines as they are written, each with the byte after it."""
    position = start
    for begin in log.begins:
        for entry, end in _entries(log, begin, max(0, position - begin)):
            if begin > position:
                yield _left_out(line_of(log.attempt, entry, end).at, begin - position), begin
            yield entry, end
            position = end
    if unfinished:
        yield from open_entry(log, position)


def _entries(log: Log, begin: int, start: int) -> Iterator[tuple[bytes, int]]:
    """The lines of one file from its byte `start` on; none where it was removed meanwhile."""
    path = log.folder / piece_name(log.attempt.name, begin)
    with contextlib.suppress(FileNotFoundError), log.blobs.open(path) as file:
        file.seek(start)
        end = begin + start
        while (data := file.readline(LONGEST_LINE_BYTES)).endswith(b"\n"):
            end += len(data)
            yield data, end


def entries_before(log: Log, stop: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The lines that end at a byte or before it, the last one first, each with the bytes that it begins at and ends
    before; None: from the end of the log on, with the line that has no end."""
    if stop is None:
        yield from ((entry, at, at) for entry, at in open_entry(log, _end(log)))
    later = stop
    for begin in reversed(log.begins):
        if later is not None and begin >= later:
            continue
        last = begin
        for entry, start, end in _entries_before(log, begin, later):
            if last == begin and later is not None and end < later:
                yield from _gap(log, end, later)
            last = end
            yield entry, start, end
        later = begin


def _gap(log: Log, end: int, later: int) -> Iterator[tuple[bytes, int, int]]:
    """The line that says that there is nothing from `end` to the file that begins at `later`."""
    for entry, first in _entries(log, later, 0):
        yield _left_out(line_of(log.attempt, entry, first).at, later - end), end, later
        return


def _entries_before(log: Log, begin: int, stop: int | None) -> Iterator[tuple[bytes, int, int]]:
    """The whole lines of one file that end at the byte `stop` of the log or before it, the last one first."""
    path = log.folder / piece_name(log.attempt.name, begin)
    with contextlib.suppress(FileNotFoundError), log.blobs.open(path) as file:
        size = file.seek(0, os.SEEK_END)
        low = size if stop is None else min(size, stop - begin)
        data, ended = b"", False
        while low > 0:
            step = min(BACK_BYTES, low)
            low -= step
            file.seek(low)
            data = file.read(step) + data
            if not ended:  # what has no end is no line yet
                data = data[: data.rfind(b"\n") + 1]
                ended = bool(data)
            first = data.find(b"\n") + 1 if low else 0
            end = begin + low + len(data)
            for entry in reversed(data[first:].split(b"\n")[:-1]):
                yield entry + b"\n", end - len(entry) - 1, end
                end -= len(entry) + 1
            data = data[:first]


def _left_out(at: datetime, size: int) -> bytes:
    text = f"[{size / MIB:.1f} MiB of this log are left out here: of a long log only its head and its tail are kept]"
    return json.dumps({"at": at.isoformat(), "level": "WARNING", "line": text}).encode()


def open_entry(log: Log, position: int) -> Iterator[tuple[bytes, int]]:
    """The line that begins at `position` and has no end; one that got its end meanwhile is among the others."""
    if not log.is_open:
        return
    try:
        data = (log.folder / open_name(log.attempt.name)).read_bytes()
    except FileNotFoundError:
        return
    begin, _, entry = data.partition(b" ")
    if begin == b"%d" % position:
        yield entry, position


def last_lines(log: Log, count: int) -> tuple[str, ...]:
    """The last lines of a log, oldest first; so many, or fewer where they are long."""
    start = max(0, _end(log) - NEAR_THE_END_BYTES)
    lines = lines_of(log, start, unfinished=True)
    if start:  # the first may begin in its middle
        next(lines, None)
    return tuple(line.text for line in deque(lines, count))


def _end(log: Log) -> int:
    """The byte after the last whole line."""
    last = log.begins[-1] if log.begins else 0
    return last + _size(log.blobs, log.folder / piece_name(log.attempt.name, last)) if log.begins else 0


def line_of(attempt: AttemptKey, data: bytes, end: int) -> LogLine:
    """A line as its runner wrote it; one that a full disk cut in the middle is shown as it is."""
    try:
        told = json.loads(data)
        return LogLine(attempt, datetime.fromisoformat(told["at"]), told["level"], told["line"], end)
    except (ValueError, KeyError, TypeError):
        return LogLine(attempt, _BEGINNING, "UNKNOWN", data.decode("utf-8", "replace").rstrip("\n"), end)
