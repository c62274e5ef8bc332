"""What a program prints, line by line with time and level, appended to its attempt's log as JSON Lines.

A line is `{"at": RFC 3339, "level": ..., "line": ...}`. The level is read from the line where it states one; lines of a
Python traceback are ERROR; else UNKNOWN. Values of secrets that the program was given are masked before a line is cut
or written.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections import deque
from datetime import datetime
from pathlib import Path

from fanfold.jobs.secrets import Masker
from fanfold.ports.clock import Clock

MAX_LINE_BYTES = 64 * 1024
MAX_LOG_BYTES = 64 * 1024 * 1024
TAIL_LINES = 20

_LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\b")
_LEVEL_WITHIN = 80
_SAME = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}


class Levels:
    """Reads levels line by line; remembers whether a traceback is being printed."""

    def __init__(self) -> None:
        self._in_traceback = False

    def of(self, line: str) -> str:
        """The level of the next line."""
        if line.startswith("Traceback (most recent call last)"):
            self._in_traceback = True
            return "ERROR"
        if self._in_traceback:
            self._in_traceback = line.startswith(" ")
            return "ERROR"
        found = _LEVEL.search(line, 0, _LEVEL_WITHIN)
        return _SAME.get(found.group(), found.group()) if found else "UNKNOWN"


class AttemptLog:
    """The log of one attempt; its file appears with the first line. Lines over 64 KiB are cut into pieces; after
    64 MiB one line says that the rest is left out."""

    def __init__(self, path: Path, clock: Clock, mask: Masker | None = None) -> None:
        self._path = path
        self._clock = clock
        self._mask = mask or Masker([])
        self._file: int | None = None
        self._rest = b""
        self._levels = Levels()
        self._written = 0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def feed(self, data: bytes) -> None:
        """Take what the program printed; whole lines are written at once."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        pieces = [piece for line in lines for piece in _cut(self._mask.of_bytes(line))]
        begun, self._rest = self._begun(self._rest)
        self._write(pieces + begun)

    def close(self) -> None:
        """Write what is left of a last line without an end, and let go of the file."""
        if self._rest:
            self._write(_cut(self._mask.of_bytes(self._rest)))
            self._rest = b""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _begun(self, rest: bytes) -> tuple[list[bytes], bytes]:
        """The pieces of a line that has no end yet, and what of it is kept back: it may begin a value to be masked."""
        if len(rest) <= MAX_LINE_BYTES + self._mask.longest:
            return [], rest
        masked = self._mask.of_bytes(rest)
        end = max(0, len(masked) - self._mask.longest) // MAX_LINE_BYTES * MAX_LINE_BYTES
        return (_cut(masked[:end]) if end else []), masked[end:]

    def last_words(self) -> str:
        """The last line that says something, at most 500 printable characters; "" when there is none."""
        shown = (
            "".join(letter if letter.isprintable() else " " for letter in line).strip() for line in reversed(self.tail)
        )
        return next((line[:500] for line in shown if line), "")

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        at = self._clock.now()
        data = b"".join(self._entry(line, at) for line in lines)
        if self._written > MAX_LOG_BYTES:
            return
        self._written += len(data)
        if self._written > MAX_LOG_BYTES:
            notice = f"the log passed {MAX_LOG_BYTES} bytes; the rest is left out"
            data = _line_json(at, "WARNING", notice)
        try:
            self._append(data)
        except OSError as err:
            if err.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._written = MAX_LOG_BYTES + 1  # a full disk costs the rest of the log, not the attempt

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.write(self._file, data)

    def _entry(self, line: bytes, at: datetime) -> bytes:
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        self.tail.append(text)
        return _line_json(at, self._levels.of(text), text)


def _cut(line: bytes) -> list[bytes]:
    """A line in pieces of at most MAX_LINE_BYTES; an empty line is one piece."""
    return [line[begin : begin + MAX_LINE_BYTES] for begin in range(0, max(1, len(line)), MAX_LINE_BYTES)]


def _line_json(at: datetime, level: str, line: str) -> bytes:
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"at": stamp, "level": level, "line": line}, ensure_ascii=False).encode() + b"\n"
