"""Chunks: the pieces of an input, each of which one task of the app reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileChunk:
    """A chunk that a partitioner wrote: a file of the partitioner's published result. `content` names its bytes, as
    `jobs.reuse` needs it; "" where nobody asked."""

    key: str
    size_bytes: int
    label: str = ""
    content: str = ""


REMOTE = "remote:"
"""Begins the location of a source file that stays where it lies."""


STORED = "stored:"
"""Begins the location of a source file that is in the job storage; after it comes the storage's address of it."""


@dataclass(frozen=True, slots=True)
class RangeChunk:
    """A chunk that is `prefix` + a byte range of a source object + `suffix`; `etag` pins the object's content.
    `content` as in FileChunk. Without a `location` there is no object: where the source is `bypass`."""

    location: str
    etag: str
    offset: int
    length: int
    prefix: bytes = b""
    suffix: bytes = b""
    label: str = ""
    content: str = ""

    @property
    def size_bytes(self) -> int:
        """The size of the chunk as its app sees it."""
        return len(self.prefix) + self.length + len(self.suffix)

    @property
    def remote(self) -> bool:
        """Whether its runner fetches the range."""
        return self.location.startswith(REMOTE)

    @property
    def stored(self) -> str:
        """The storage's address of the file it is a range of; "" where that lies elsewhere."""
        return self.location.removeprefix(STORED) if self.location.startswith(STORED) else ""


Chunk = FileChunk | RangeChunk
