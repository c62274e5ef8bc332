"""Many files as one zip archive, made while it is sent: nothing of it is kept, on disk or in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

PIECE_BYTES = 1024 * 1024
_LARGE = 1 << 31


class Opened(Protocol):
    """An open file, read from its start to its end once."""

    def read(self, size: int, /) -> bytes:
        """More of it; b"" at the end."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class ZippedFile:
    """A file of an archive: its path, its size in bytes, how it is opened when its turn comes, and whether it is a
    program."""

    name: str
    size_bytes: int
    open: Callable[[], Opened]
    executable: bool = False


class _Passed(io.BytesIO):
    """Takes what the archive writes until it is fetched; it cannot be gone back in."""

    def tell(self) -> int:
        """Never: an archive that cannot ask where it is does not go back to change what was sent."""
        raise io.UnsupportedOperation("tell")

    def fetched(self) -> bytes:
        """What was written since it was last asked."""
        data = self.getvalue()
        self.seek(0)
        self.truncate(0)
        return data


def zipped(files: Iterable[ZippedFile], at: datetime) -> Iterator[bytes]:
    """The archive in pieces, its files as they are (most outputs do not get smaller), each with one time."""
    target = _Passed()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.name, max(at, at.replace(year=1980)).timetuple()[:6])
            entry.external_attr = (0o755 if file.executable else 0o644) << 16
            with (
                closing(file.open()) as source,
                archive.open(entry, "w", force_zip64=file.size_bytes >= _LARGE) as written,
            ):
                while piece := source.read(PIECE_BYTES):
                    written.write(piece)
                    yield target.fetched()
    yield target.fetched()
