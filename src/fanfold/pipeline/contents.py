"""Names what is in a chunk: by its bytes' hash; a range that stays where it lies by its place and strong ETag.

Only where results may be reused: it reads the input once more.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from fanfold.effects import etag_of
from fanfold.errors import Unavailable
from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.reuse import content_of
from fanfold.ports.blobs import Blobs

READ_BYTES = 1024 * 1024


def with_contents(
    chunks: Iterable[RangeChunk], identity: Callable[[str], str], unwanted: Callable[[], bool], blobs: Blobs
) -> Iterator[RangeChunk]:
    """The chunks, each with the name of its content; "" where its file is not the one that was split any more.

    `identity` names a remote file by its location. Raises Unavailable when `unwanted()` turns true.
    """
    with closing(_Files(unwanted, blobs)) as files:
        for chunk in chunks:
            yield replace(chunk, content=_named(chunk, identity, files))


def _named(chunk: RangeChunk, identity: Callable[[str], str], files: _Files) -> str:
    if not chunk.location:
        return hashlib.sha256(chunk.prefix + chunk.suffix).hexdigest()
    return _range(chunk, identity) if chunk.remote else files.hashed(chunk)


def _range(chunk: RangeChunk, identity: Callable[[str], str]) -> str:
    """A range as whoever can read it would name it: no byte of it is fetched for that."""
    around = [base64.b64encode(part).decode() for part in (chunk.prefix, chunk.suffix)]
    return content_of(["range", identity(chunk.location), chunk.etag, chunk.offset, chunk.length, *around])


class _Files:
    """Reads the chunks of local and stored files one after the other, and keeps the file open that it read last."""

    def __init__(self, unwanted: Callable[[], bool], blobs: Blobs) -> None:
        self._unwanted = unwanted
        self._blobs = blobs
        self._location = ""
        self._file: BinaryIO = io.BytesIO()

    def hashed(self, chunk: RangeChunk) -> str:
        """The SHA-256 of a chunk; "" where its file is not the one that was split."""
        try:
            self._open(chunk)
        except OSError:
            return ""
        digest, left = hashlib.sha256(chunk.prefix), chunk.length
        for data in self._pieces(chunk.offset, chunk.length):
            digest.update(data)
            left -= len(data)
        digest.update(chunk.suffix)
        # What is stored is written once; of a user's own file its tag tells whether it was written to.
        unchanged = left == 0 and (chunk.stored or etag_of(os.fstat(self._file.fileno())) == chunk.etag)
        return digest.hexdigest() if unchanged else ""

    def _pieces(self, offset: int, length: int) -> Iterator[bytes]:
        end = offset + length
        self._file.seek(offset)
        while offset < end and (data := self._file.read(min(READ_BYTES, end - offset))):
            if self._unwanted():
                raise Unavailable("the chunks are not wanted any more")
            yield data
            offset += len(data)

    def _open(self, chunk: RangeChunk) -> None:
        if chunk.location != self._location:
            self.close()
            if chunk.stored:
                self._file = self._blobs.open(self._blobs.at(chunk.stored))
            else:
                self._file = open(chunk.location, "rb")  # noqa: SIM115 - closed by `close`
            self._location = chunk.location

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._location = ""
