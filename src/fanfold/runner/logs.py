"""What a program prints, line by line with time and level, added to its attempt's log as JSON Lines.

A line is `{"at": RFC 3339, "level": ..., "line": ...}`. Of a line that was written over, as progress bars do after a
carriage return, the last state is kept. Values of secrets that the program was given are masked before a line is cut
or written.
"""

from __future__ import annotations

import json
from collections import deque
from datetime import datetime
from pathlib import Path

from fanfold.effects import Effects
from fanfold.jobs.failures import printable
from fanfold.jobs.secrets import Masker
from fanfold.ports.clock import Clock
from fanfold.runner.kept_log import KeptLog
from fanfold.runner.levels import WARNING, Levels

MAX_LINE_BYTES = 64 * 1024
MOST_STATES = 16 * 1024
"""So many bytes of states that were written over may come before they are dropped."""

TAIL_LINES = 20


class AttemptLog:
    """The log of one attempt; its file appears with the first line. Lines over 64 KiB are cut into pieces.

    `printed_bytes` counts what the program printed.
    """

    def __init__(self, folder: Path, attempt: str, clock: Clock, effects: Effects, mask: Masker | None = None) -> None:
        self._kept = KeptLog(folder, attempt, effects)
        self._clock = clock
        self._mask = mask or Masker([])
        self._rest = b""
        self._unkept = False
        self._levels = Levels()
        self._lost = 0
        self.printed_bytes = 0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def feed(self, data: bytes) -> None:
        """Take what the program printed; whole lines are written at once."""
        self.printed_bytes += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        pieces = [piece for line in lines for piece in _cut(_last_state(self._mask.of_bytes(line)))]
        begun, self._rest = self._begun(self._rest)
        self._unkept = True
        self._write(pieces + begun)

    def keep_open(self) -> None:
        """Bring a line that has no end yet to storage, but for the beginning of a value to be masked."""
        if not self._rest or not self._unkept:
            return
        self._unkept = False
        shown = self._mask.of_bytes(self._rest)
        shown = _last_state(shown[: len(shown) - self._mask.begun(shown)])
        text = shown[-MAX_LINE_BYTES:].decode("utf-8", "replace")
        self._kept.keep_open(_line_json(self._clock.now(), Levels().of(text), text))

    def close(self) -> None:
        """Write what is left of a last line without an end, and let go of the file."""
        if self._rest:
            self._write(_cut(_last_state(self._mask.of_bytes(self._rest))))
            self._rest = b""
        self._kept.close()

    @property
    def files(self) -> list[Path]:
        """The files that it is in."""
        return self._kept.files

    def _begun(self, rest: bytes) -> tuple[list[bytes], bytes]:
        """The pieces of a line that has no end yet, and what of it is kept back: it may begin a value to be masked."""
        if len(rest) > MOST_STATES + self._mask.longest and b"\r" in rest:
            rest = _last_states(self._mask.of_bytes(rest))
        if len(rest) <= MAX_LINE_BYTES + self._mask.longest:
            return [], rest
        masked = self._mask.of_bytes(rest)
        end = max(0, len(masked) - self._mask.longest) // MAX_LINE_BYTES * MAX_LINE_BYTES
        return (_cut(masked[:end]) if end else []), masked[end:]

    def last_words(self) -> str:
        """The last line that says something, at most 500 printable characters; "" when there is none."""
        shown = (printable(line).strip() for line in reversed(self.tail))
        return next((line[:500] for line in shown if line), "")

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        at = self._clock.now()
        entries = [self._entry(line, at) for line in lines]
        if self._lost:
            entries.insert(0, _line_json(at, WARNING, f"[{self._lost} lines are missing here: the disk was full]"))
        self._lost = 0 if self._kept.append(b"".join(entries)) else self._lost + len(lines)

    def _entry(self, line: bytes, at: datetime) -> bytes:
        text = line.decode("utf-8", "replace")
        self.tail.append(text)
        return _line_json(at, self._levels.of(text), text)


def _last_state(line: bytes) -> bytes:
    """What a line showed last: what follows its last carriage return, or the last state that was not blank."""
    if b"\r" not in line:
        return line
    return next((state for state in reversed(line.split(b"\r")) if not state.isspace() and state), b"")


def _last_states(rest: bytes) -> bytes:
    """The end of an unfinished line: its last state, and the last before it that was not blank."""
    before, _, last = rest.rpartition(b"\r")
    return _last_state(before) + b"\r" + last


def _cut(line: bytes) -> list[bytes]:
    """A line in pieces of at most MAX_LINE_BYTES; an empty line is one piece."""
    return [line[begin : begin + MAX_LINE_BYTES] for begin in range(0, max(1, len(line)), MAX_LINE_BYTES)]


def _line_json(at: datetime, level: str, line: str) -> bytes:
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"at": stamp, "level": level, "line": line}, ensure_ascii=False).encode() + b"\n"
