"""Reading input files piece by piece, so that memory stays small whatever their size."""

from __future__ import annotations

import os

from fanfold.builtin.planning import InputRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanfold.builtin.planning import Source

WINDOW_BYTES = 256 * 1024
BINARY_PROBE_BYTES = 64 * 1024
UTF8_MARK = b"\xef\xbb\xbf"


class FileSource:
    """A file of this machine; opened for each read, so that 100,000 of them need no 100,000 descriptors."""

    __slots__ = ("name", "path", "size_bytes")

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self.size_bytes = os.stat(path).st_size

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, at most `length`; fewer only at the end of the file."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)


def files_below(folder: str) -> list[str]:
    """The paths of all files below `folder`, relative to it, in the order of their names."""
    found = []
    for parent, _, names in os.walk(folder, onerror=_raise):
        below = os.path.relpath(parent, folder)
        found += [name if below == "." else f"{below}/{name}" for name in names]
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def sources_in(folder: str) -> list[FileSource]:
    """The files of a source folder in the order of their names; refuses what is no regular file."""
    sources = []
    for name in files_below(folder):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise InputRefused(f'"{shown(name)}" is not a regular file')
        sources.append(FileSource(name, path))
    return sources


def read_exactly(source: Source, offset: int, length: int) -> bytes:
    """`length` bytes; refuses a file that has become shorter."""
    block = source.read(offset, length)
    if len(block) != length:
        raise InputRefused(f'"{shown(source.name)}" changed while it was read: it ends at byte {offset + len(block)}')
    return block


def windows(source: Source, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The bytes from `start` to `end` as (offset, block), a window at a time."""
    while start < end:
        block = read_exactly(source, start, min(WINDOW_BYTES, end - start))
        yield start, block
        start += len(block)


def text_start(source: Source) -> int:
    """Where the text begins: behind a UTF-8 byte order mark, if there is one."""
    return len(UTF8_MARK) if source.read(0, len(UTF8_MARK)) == UTF8_MARK else 0


def refuse_binary(source: Source) -> None:
    """Refuses a file with a NUL byte near its beginning: it is no text in UTF-8 or any encoding close to ASCII."""
    at = source.read(0, BINARY_PROBE_BYTES).find(b"\0")
    if at >= 0:
        raise InputRefused(
            f'"{shown(source.name)}" is binary or UTF-16 (a NUL byte at byte {at}): '
            "use split-bytes, or convert it to UTF-8"
        )


def shown(name: str) -> str:
    """A file name fit for one line of a message or label: what cannot be printed becomes the replacement character."""
    return name if name.isprintable() else "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
