"""What programs printed: searched page by page, downloaded as text, followed while they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fanfold.errors import BadInput, Problem
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.log_names import log_file
from fanfold.jobs.models import AttemptKey, Job, JobState, Role
from fanfold.ports.storage import JobFiles, JobStorage
from fanfold.ports.store import Store
from fanfold.services.log_files import (
    Log,
    LogLine,
    entries_before,
    entries_of,
    line_of,
    lines_of,
    logs_of,
    open_entry,
    place_of,
)

SERVICES = {
    "partitioner": Role.PARTITIONER,
    "taskrunner": Role.APP,
    "app": Role.APP,
    "assembler": Role.ASSEMBLER,
}
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "UNKNOWN")
MOST_LINES = 10_000
USUAL_LINES = 1000
PIECE_CHARACTERS = 256 * 1024
READ_AT_ONCE_BYTES = 256 * 1024 * 1024
FOLLOW_AT_ONCE_BYTES = 32 * 1024 * 1024
LATE = timedelta(seconds=2)
"""A line is on disk so soon after the time it bears."""

_CURSOR = re.compile(r"([a-z]+-\d+\.\d+):(\d{1,15})")
_AS_WRITTEN = re.compile(r"[ !#-\[\]-~]*")
"""Texts that JSON does not escape."""

_SAME = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}
_UNSEEN = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)] if code != 9}


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines are wanted; every given part must fit, an empty one fits all. `query` is a text that a line holds, in
    whatever case; `after` the `next` of an earlier page, or an RFC 3339 time; `before` the `previous` of a later one.
    """

    task_ids: frozenset[str] = frozenset()
    levels: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    query: str = ""
    limit: int = USUAL_LINES
    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in the order of logs; where the next page begins, "" after the last; where the one before ends, "" where
    none is known."""

    lines: list[LogLine] = field(default_factory=list)
    next: str = ""
    previous: str = ""


def cursor(attempt: AttemptKey, byte: int) -> str:
    """Where a page ends or begins: after the line that ends before a byte of a log."""
    return f"{attempt.name}:{byte}"


class LogService:
    """Reads the logs of a job's attempts."""

    def __init__(self, store: Store, storage: JobStorage) -> None:
        self._store = store
        self._storage = storage

    def read(self, job: Job, query: LogQuery) -> LogPage:
        """One page; it may be shorter than asked for where much had to be read. BadInput naming every problem."""
        wanted = _Wanted(job.id, query)
        page: list[LogLine] = []
        read_bytes = 0
        for log, start in wanted.parts(_logs(job.id, self._storage.job(job.id))):
            before = start
            for entry, end in entries_of(log, start, unfinished=True):
                if len(page) >= query.limit or read_bytes > READ_AT_ONCE_BYTES:
                    return LogPage(page, cursor(log.attempt, before), wanted.previous)
                read_bytes += len(entry)
                before = end
                if wanted.may_fit(entry) and wanted.fits(line := line_of(log.attempt, entry, end)):
                    page.append(line)
        return LogPage(page, "", wanted.previous)

    def earlier(self, job: Job, query: LogQuery) -> LogPage:
        """The last lines that fit before `query.before`, or of all; oldest first. Else as `read`."""
        wanted = _Wanted(job.id, replace(query, after=query.before))
        page: list[LogLine] = []
        read_bytes = 0
        for log, stop in wanted.parts_before(_logs(job.id, self._storage.job(job.id))):
            for entry, _, end in entries_before(log, stop):
                if len(page) >= query.limit or read_bytes > READ_AT_ONCE_BYTES:
                    return LogPage(page[::-1], query.before, cursor(log.attempt, end))
                read_bytes += len(entry)
                if wanted.may_fit(entry) and wanted.fits(line := line_of(log.attempt, entry, end)):
                    page.append(line)
        return LogPage(page[::-1], query.before)

    def lines(self, job: Job) -> Iterator[str]:
        """Everything as text, a line each with time, task, attempt and level; control characters made visible."""
        for log in _logs(job.id, self._storage.job(job.id)):
            for line in lines_of(log, unfinished=True):
                stamp = line.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                yield f"{stamp} {log.attempt.name} {line.level} {line.text.translate(_UNSEEN)}\n"

    def text(self, job: Job) -> Iterator[str]:
        """The same in larger pieces, as it is sent."""
        piece: list[str] = []
        size = 0
        for line in self.lines(job):
            piece.append(line)
            size += len(line)
            if size >= PIECE_CHARACTERS:
                yield "".join(piece)
                piece, size = [], 0
        yield "".join(piece)

    def follow(self, job: Job, after: datetime | None = None, query: LogQuery | None = None) -> Following:
        """Lines that fit a query as they come, those before a time left out; its `limit` and `after` play no part.
        BadInput naming every problem."""
        wanted = _Wanted(job.id, replace(query or LogQuery(), limit=1, after=""))
        return Following(self._store, self._storage.job(job.id), job, wanted, after)


class Following:
    """One reader of a job's logs: it remembers how far it is in each of them."""

    def __init__(self, store: Store, files: JobFiles, job: Job, wanted: _Wanted, after: datetime | None) -> None:
        self._store = store
        self._job_id = job.id
        self._files = files
        self._wanted = wanted
        self._after = after
        self._read: dict[AttemptKey, int] = {}
        self.over = False

    def news(self, now: datetime, most: int) -> tuple[list[LogLine], datetime]:
        """Up to `most` lines since the last call, and a time before which none is missing; `over` once the job has
        ended and its last line was given."""
        ended = _is_over(self._store.job(self._job_id))
        lines: list[LogLine] = []
        logs = [log for log, _ in self._wanted.parts(_logs(self._job_id, self._files))]
        read_bytes = 0
        for log in logs:
            for entry, end in entries_of(log, self._read.get(log.attempt, 0)):
                if len(lines) >= most or read_bytes > FOLLOW_AT_ONCE_BYTES:
                    return lines, self._after or _BEGINNING
                self._read[log.attempt] = end
                read_bytes += len(entry)
                lines += self._fitting(log, entry, end)
        if ended and not self.over:  # lines that will have no end any more: their runners were killed
            for log in logs:
                for entry, end in open_entry(log, self._read.get(log.attempt, 0)):
                    lines += self._fitting(log, entry, end)
        self.over = ended
        return lines, now - LATE

    def _fitting(self, log: Log, entry: bytes, end: int) -> list[LogLine]:
        """The line, where it is wanted."""
        if not self._wanted.may_fit(entry):
            return []
        line = line_of(log.attempt, entry, end)
        late_enough = self._after is None or line.at >= self._after
        return [line] if late_enough and self._wanted.fits(line) else []


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def _logs(job_id: str, files: JobFiles) -> list[Log]:
    return logs_of(job_id, files.logs, files.blobs)


def _is_over(job: Job) -> bool:
    return job.state in ENDED or job.state is JobState.NEW or job.deleted_at is not None


class _Wanted:
    """A query, checked and ready to compare."""

    def __init__(self, job_id: str, query: LogQuery) -> None:
        problems: list[Problem] = []
        self._levels = frozenset(_SAME.get(level.upper(), level.upper()) for level in query.levels)
        if self._levels - set(LEVELS):
            problems.append(Problem("levels", f"known are {', '.join(LEVELS)}"))
        if query.services - SERVICES.keys():
            problems.append(Problem("services", f"known are {', '.join(SERVICES)}"))
        if not 1 <= query.limit <= MOST_LINES:
            problems.append(Problem("limit", f"expected 1 to {MOST_LINES}, found {query.limit}"))
        self._roles = frozenset(SERVICES[name] for name in query.services & SERVICES.keys())
        self._task_ids = query.task_ids
        self._text = query.query.casefold()
        self._sieve = self._text.encode() if _AS_WRITTEN.fullmatch(query.query) else b""
        readable = self._levels and "UNKNOWN" not in self._levels  # what is no entry is UNKNOWN
        self._marks = [f'"level": "{level}"'.encode() for level in self._levels] if readable else []
        self._first, self._start, self._since = _after(job_id, query.after, problems)
        self.previous = query.after if self._first else ""
        if problems:
            raise BadInput("the question is not right", problems)

    def parts_before(self, logs: list[Log]) -> Iterator[tuple[Log, int | None]]:
        """The logs to be read from the last one to the first, and up to which byte; None: to the end."""
        for log in reversed(logs):
            if self._first is not None and place_of(log.attempt) > place_of(self._first):
                continue
            if self._is_asked(log.attempt):
                yield log, self._start if log.attempt == self._first else None

    def _is_asked(self, attempt: AttemptKey) -> bool:
        if self._roles and attempt.task.role not in self._roles:
            return False
        return not self._task_ids or attempt.task.task_id in self._task_ids

    def parts(self, logs: list[Log]) -> Iterator[tuple[Log, int]]:
        """The logs to be read, and from which byte on."""
        for log in logs:
            attempt = log.attempt
            if self._first is not None and place_of(attempt) < place_of(self._first):
                continue
            if self._is_asked(attempt):
                yield log, self._start if attempt == self._first else 0

    def may_fit(self, entry: bytes) -> bool:
        """Whether a line as it is written may be wanted: far quicker than to read it, and never wrong with a no."""
        if self._sieve and entry.isascii() and self._sieve not in entry.lower():
            return False
        return not self._marks or any(mark in entry for mark in self._marks)

    def fits(self, line: LogLine) -> bool:
        """Whether a line is wanted."""
        if self._levels and line.level not in self._levels:
            return False
        if self._since is not None and line.at <= self._since:
            return False
        return self._text in line.text.casefold()


def _after(job_id: str, text: str, problems: list[Problem]) -> tuple[AttemptKey | None, int, datetime | None]:
    """`after` as a log and a byte in it, or as a time."""
    if not text:
        return None, 0, None
    cursor = _CURSOR.fullmatch(text)
    first = log_file(job_id, f"{cursor[1]}.jsonl") if cursor else None
    if cursor and first:
        return first.attempt, int(cursor[2]), None
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        problems.append(Problem("after", "is neither the 'next' of an earlier answer nor an RFC 3339 time"))
        return None, 0, None
    return None, 0, since if since.tzinfo else since.replace(tzinfo=UTC)
