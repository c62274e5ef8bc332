"""An attempt's log on disk: its head and its tail, and the line that has no end yet.

Entries are written as they come, each by one call, so they outlive their runner. Where the files are and what they are
called: `jobs.log_names`.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from fanfold.effects import DISK_IS_FULL, Effects, part_of
from fanfold.jobs import log_names


class KeptLog:
    """Takes entries of JSON, each with its line end. A full disk costs lines, not the attempt."""

    def __init__(self, folder: Path, attempt: str, effects: Effects) -> None:
        self._effects = effects
        self._folder = folder
        self._attempt = attempt
        self._open = folder / log_names.open_name(attempt)
        self._file: int | None = None
        self._room = 0
        self._end = 0
        self._pieces: deque[Path] = deque()
        self._is_open = False
        self._torn = False

    def append(self, entries: bytes) -> bool:
        """Add entries; what a piece has no room for begins the next one. Says whether there was space for them."""
        try:
            if self._file is None or self._room < len(entries):
                self._begin_piece()
            if self._torn:
                self._write(b"\n")
                self._torn = False
            self._write(entries)
        except OSError as err:
            _let_full_disks_pass(err)
            return False
        return True

    def keep_open(self, entry: bytes) -> None:
        """Keep a line that has no end yet, in place of the one before; the next entry replaces it."""
        part = part_of(self._open)
        try:
            part.write_bytes(b"%d %b" % (self._end, entry))
            self._effects.rename(part, self._open)
            self._is_open = True
        except OSError as err:
            _let_full_disks_pass(err)

    def close(self) -> None:
        """Let go of the file; a line without an end was given one before."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._is_open:
            self._open.unlink(missing_ok=True)

    @property
    def files(self) -> list[Path]:
        """The files that it is in."""
        return [self._folder / log_names.piece_name(self._attempt, 0), *self._pieces] if self._end else []

    def _begin_piece(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        path = self._folder / log_names.piece_name(self._attempt, self._end)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if not self._end:
            self._room = log_names.HEAD_BYTES
            return
        self._room = log_names.PIECE_BYTES
        self._pieces.append(path)
        if len(self._pieces) > log_names.PIECES_KEPT:
            self._pieces.popleft().unlink(missing_ok=True)

    def _write(self, entries: bytes) -> None:
        assert self._file is not None
        whole = len(entries)
        try:
            while entries:
                count = os.write(self._file, entries)
                self._end += count
                self._room -= count
                entries = entries[count:]
        except OSError:
            self._torn |= len(entries) < whole
            raise


def _let_full_disks_pass(err: OSError) -> None:
    if err.errno not in DISK_IS_FULL:
        raise err
