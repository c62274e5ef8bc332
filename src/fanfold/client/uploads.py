"""A file on its way to a server: hashed while it is sent, and checked against what came."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fanfold.client.answers import reading
from fanfold.client.errors import BadAnswer
from fanfold.wire.files import UploadAnswer

if TYPE_CHECKING:
    from fanfold.client.exchange import Answer

PIECE_BYTES = 1024 * 1024

Sent = Callable[[int, int], object]
"""Is told how many bytes were sent so far, of how many; begins again at 0 where sending does."""


class FileToSend:
    """The body of a request; may be sent more than once, one time after the other."""

    def __init__(self, path: Path, sent: Sent | None = None) -> None:
        self.path = path
        self._sent = sent
        self._size_bytes = self._count = 0
        self._digest = hashlib.sha256()

    def size_bytes(self) -> int:
        """How large it is now; what is sent next."""
        self._size_bytes = self.path.stat().st_size
        return self._size_bytes

    def opened(self) -> IO[bytes]:
        """The file, to be read with `next_of` from its beginning."""
        self._count = 0
        self._digest = hashlib.sha256()
        return self.path.open("rb")

    def next_of(self, file: IO[bytes]) -> bytes:
        """The next piece; b"" at the end."""
        if self._sent is not None:
            self._sent(self._count, self._size_bytes)
        piece = file.read(PIECE_BYTES)
        self._digest.update(piece)
        self._count += len(piece)
        return piece

    def stored(self, answer: Answer) -> UploadAnswer:
        """The answer of a server that has it; BadAnswer where that got other bytes."""
        found = reading(UploadAnswer)(answer)
        if (found.size, found.sha256) != (self._count, self._digest.hexdigest()):
            raise BadAnswer(f"the server has {found.size} bytes that are not those of '{self.path}'; upload it again")
        return found
