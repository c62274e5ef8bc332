"""Two watermarks of a disk: with less free than the low one no new work is taken, until the high one is free again.

Between the two nothing changes, so that a server at the edge does not stop and go on with every file.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from fanfold.errors import OutOfSpace
from fanfold.ports.space import Space

MIB = 1024**2

log = logging.getLogger(__name__)


def free_bytes(folder: Path) -> int:
    """What may still be written to the disk of a folder, in bytes."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class DiskSpace:
    """One disk; thread-safe. A low watermark of 0 never stops anything."""

    def __init__(self, folder: Path, low_bytes: int, high_bytes: int, free: Callable[[Path], int] = free_bytes) -> None:
        self._folder = folder
        self._low_bytes = low_bytes
        self._high_bytes = high_bytes
        self._free = free
        self._short = False
        self._lock = threading.Lock()

    def shortage(self) -> str:
        """See `ports.space`."""
        if not self._low_bytes:
            return ""
        with self._lock:
            free = self._free(self._folder)
            short = free < (self._high_bytes if self._short else self._low_bytes)
            if short != self._short:
                log.warning("%s: %d bytes are free", "no new work is taken" if short else "work goes on", free)
            self._short = short
        return self._said() if short else ""

    def check(self) -> None:
        """See `ports.space`."""
        if said := self.shortage():
            raise OutOfSpace(said)

    def _said(self) -> str:
        low, high = (f"{size / MIB:.10g} MiB" for size in (self._low_bytes, self._high_bytes))
        return f"the server's disk is nearly full (under {low} were free): no new work until {high} are free"


class EndlessSpace:
    """Where nobody watches the disk."""

    def shortage(self) -> str:
        """Never."""
        return ""

    def check(self) -> None:
        """Nothing to refuse."""


ENDLESS = EndlessSpace()

_fits: tuple[type[Space], type[Space]] = (DiskSpace, EndlessSpace)
