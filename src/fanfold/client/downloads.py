"""A download: resumed where it stopped, checked, and in place under its name only when it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from fanfold.client.errors import BadAnswer
from fanfold.wire.jobs import JobResult

BLOCK = 1024 * 1024


def place_of(folder: Path, name: str) -> Path:
    """Where a result goes below `folder`; BadAnswer for a name that would lead out of it."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or "\0" in name or ".." in parts:
        raise BadAnswer(f"the server names a result {name[:100]!r}, which is no plain relative path")
    return folder.joinpath(*parts)


def is_here(path: Path, result: JobResult) -> bool:
    """Whether a file is this result already."""
    try:
        if path.stat().st_size != result.size or not result.sha256:
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    return _hash_of(path).hexdigest() == result.sha256


class FileSink:
    """A sink that writes all that comes into a file, from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def headers(self) -> Mapping[str, str]:
        """Bytes as they are."""
        return {"Accept-Encoding": "identity"}

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Start over."""
        self.close()
        self._file = open(self._path, "wb")  # noqa: SIM115 - open between calls, see close

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        assert self._file is not None, "a download is begun before it is written"
        self._file.write(piece)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Download:
    """A sink for one result. Bytes go to `.NAME.HASH.part`, which a later download of the same content goes on with."""

    def __init__(self, target: Path, result: JobResult) -> None:
        self.target = target
        self._result = result
        self._part = target.with_name(f".{target.name}.{result.sha256[:16]}.part")
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._have = 0

    def headers(self) -> Mapping[str, str]:
        """Ask for the rest of what is there."""
        self.close()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._have = self._part.stat().st_size if self._part.exists() else 0
        if self._have >= self._result.size:
            self._have = 0
        if not self._have:
            return {"Accept-Encoding": "identity"}
        return {"Accept-Encoding": "identity", "Range": f"bytes={self._have}-"}

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Go on with the part, or start over where the server sends all of it."""
        goes_on = status == 206 and headers.get("content-range", "").startswith(f"bytes {self._have}-")
        if status == 206 and not goes_on:
            raise BadAnswer(f"asked for '{self._result.name}' from byte {self._have}, but another part came")
        self._digest = _hash_of(self._part) if goes_on else hashlib.sha256()
        self._file = open(self._part, "ab" if goes_on else "wb")  # noqa: SIM115 - open between calls, see close
        self._have = self._have if goes_on else 0

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        assert self._file is not None, "a download is begun before it is written"
        self._file.write(piece)
        self._digest.update(piece)
        self._have += len(piece)

    def finish(self) -> Path:
        """Check the whole and give it its name; BadAnswer, and nothing kept, when it is not what was promised."""
        assert self._file is not None, "a download is begun before it is finished"
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        wanted = self._result
        if self._have != wanted.size or (wanted.sha256 and self._digest.hexdigest() != wanted.sha256):
            self._part.unlink(missing_ok=True)
            found = f"{self._have} of {wanted.size} bytes, SHA-256 {self._digest.hexdigest()}"
            raise BadAnswer(f"'{wanted.name}' came damaged ({found}); nothing was kept.", hint="Download it again.")
        os.replace(self._part, self.target)
        return self.target

    def close(self) -> None:
        """Let go of the file; the part stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _hash_of(path: Path) -> hashlib._Hash:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(BLOCK):
            digest.update(piece)
        return digest
