"""The logs of a job on disk: one file an attempt, in a fixed order, read from any byte on, whole lines only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fanfold.jobs.models import AttemptKey, Role, TaskKey

LONGEST_LINE_BYTES = 1024 * 1024
_NAME = re.compile(r"(partitioner|app|assembler)-(\d{1,12})\.(\d{1,12})")
_ORDER = {Role.PARTITIONER: 0, Role.APP: 1, Role.ASSEMBLER: 2}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a program printed. `end` is the byte after it in its file."""

    attempt: AttemptKey
    at: datetime
    level: str
    text: str
    end: int


def attempt_of(job_id: str, name: str) -> AttemptKey | None:
    """The attempt that a log's name, without suffix, stands for."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return AttemptKey(TaskKey(job_id, Role(found[1]), int(found[2])), int(found[3]))


def place_of(attempt: AttemptKey) -> tuple[int, int, int]:
    """Where an attempt stands in the order of logs: partitioner, app by chunk, assembler; attempts as they came."""
    return _ORDER[attempt.task.role], attempt.task.index, attempt.fence


def attempts_with_logs(job_id: str, logs: Path) -> list[AttemptKey]:
    """The attempts that printed something, in the order of logs."""
    if not logs.is_dir():
        return []
    names = (entry.name.removesuffix(".jsonl") for entry in logs.iterdir())
    return sorted((found for name in names if (found := attempt_of(job_id, name)) is not None), key=place_of)


def lines_of(attempt: AttemptKey, logs: Path, start: int = 0) -> Iterator[LogLine]:
    """The whole lines of one log from a byte on; a line that is still being written comes the next time."""
    path = logs / f"{attempt.name}.jsonl"
    if not path.is_file():
        return
    with open(path, "rb") as file:
        file.seek(start)
        end = start
        while (data := file.readline(LONGEST_LINE_BYTES)).endswith(b"\n"):
            end += len(data)
            yield _line(attempt, data, end)


def _line(attempt: AttemptKey, data: bytes, end: int) -> LogLine:
    """A line as its runner wrote it; one that a full disk cut in the middle is shown as it is."""
    try:
        told = json.loads(data)
        return LogLine(attempt, datetime.fromisoformat(told["at"]), told["level"], told["line"], end)
    except (ValueError, KeyError, TypeError):
        return LogLine(attempt, _BEGINNING, "UNKNOWN", data.decode("utf-8", "replace").rstrip("\n"), end)
