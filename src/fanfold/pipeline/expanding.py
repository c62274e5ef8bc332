"""gzip and zstd input of splitters that read text: expanded, as it streams by, into the job's storage.

What a file is, its first bytes say, not its name. Memory is constant; what expands to more than the limit is refused.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import zstandard

from fanfold.effects import Effects, etag_of
from fanfold.errors import BadInput, Unavailable
from fanfold.ports.datasource import SourceFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAGIC_BYTES = 4
PIECE_BYTES = 1024 * 1024
MOST_WINDOW_BYTES = 128 * 1024 * 1024
"""The most memory a zstd file may ask for; what `zstd --long` makes needs this much."""

_FEED_BYTES = 2048
"""zstd writes a byte of input as 32 KiB at most: so little at once is never more than 64 MiB."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SUFFIXES = {".gz": "", ".gzip": "", ".zst": "", ".zstd": "", ".tgz": ".tar"}

Read = Callable[[int, int], bytes]


class Expander:
    """Takes the files of a source and gives them as text splitters can read them."""

    def __init__(self, effects: Effects, folder: Path, most_bytes: int, stopped: Callable[[], bool]) -> None:
        """`folder` is the job's own, for what was expanded; `most_bytes` bounds that of all files together."""
        self._effects = effects
        self._folder = folder
        self._left = most_bytes
        self._most_bytes = most_bytes
        self._stopped = stopped
        self._made = 0

    def expanded(self, file: SourceFile, read: Read) -> SourceFile:
        """The file itself, or what it holds where it is compressed; its compressed bytes are removed from the job's
        folder then. Raises BadInput for a damaged one."""
        magic = read(0, min(MAGIC_BYTES, file.size_bytes))
        opened = _opener(magic)
        if opened is None:
            return file
        self._effects.make_folder(self._folder)
        place = self._folder / f"expanded-{self._made}"
        self._made += 1
        with self._effects.new_file(place) as target:
            for piece in self._pieces(file, opened(io.BufferedReader(_Reading(read, file.size_bytes), PIECE_BYTES))):
                target.write(piece)
        if Path(file.location).parent == self._folder:
            self._effects.remove_file(Path(file.location))
        info = place.stat()
        return SourceFile(_plain_name(file.name), str(place), info.st_size, etag_of(info))

    def _pieces(self, file: SourceFile, stream: _Stream) -> Iterator[bytes]:
        try:
            while piece := stream.read(PIECE_BYTES):
                self._left -= len(piece)
                if self._left < 0:
                    raise BadInput(f"'{file.name}' expands to more than {self._most_bytes} bytes, the most allowed")
                if self._stopped():
                    raise Unavailable(f"expanding '{file.name}' was stopped")
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as err:
            raise BadInput(f"'{file.name}' is compressed and damaged or cut off: {err}") from err


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes:
        """Some bytes; none at the end."""


def _opener(magic: bytes) -> Callable[[io.BufferedReader], _Stream] | None:
    if magic.startswith(_GZIP):
        return lambda raw: gzip.GzipFile(fileobj=raw)
    return _Frames if magic == _ZSTD else None


class _Frames:
    """All zstd frames of a file, one after another; one that is cut off is an error, as it is with gzip."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw
        self._decompressor = decompressor = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES)
        self._frame = decompressor.decompressobj()
        self._rest = b""
        self._begun = False

    def read(self, _size: int = -1, /) -> bytes:
        """The next bytes; b"" at the end of the last frame."""
        while True:
            data = self._rest or self._raw.read(_FEED_BYTES)
            if not data:
                if self._begun:
                    raise EOFError("it ends within a frame")
                return b""
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            out = self._frame.decompress(data)
            self._rest = self._frame.unused_data if self._frame.eof else b""
            self._begun = not self._frame.eof
            if out:
                return out


class _Reading(io.RawIOBase):
    """A file from its first byte to its last, over a function that reads ranges."""

    def __init__(self, read: Read, size_bytes: int) -> None:
        self._read = read
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer."""
        room = memoryview(buffer)
        data = self._read(self._at, min(len(room), self._size_bytes - self._at))
        room[: len(data)] = data
        self._at += len(data)
        return len(data)


def _plain_name(name: str) -> str:
    for suffix, instead in _SUFFIXES.items():
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)] + instead
    return name
