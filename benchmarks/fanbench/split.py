"""The peers' partitioner, a program: cuts a file into `CHUNKS/<i>/data.bin`.

Usage: split.py SOURCE CHUNKS NUMBER lines|csv|bytes
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def byte_ranges(source: BinaryIO, number: int) -> Iterator[tuple[int, int]]:
    """Start and end of `number` ranges of about equal size, each up to the first line end at its share or behind it."""
    size = source.seek(0, os.SEEK_END)
    start = 0
    for index in range(1, number + 1):
        source.seek(max(0, size * index // number - 1))
        source.readline()
        end = max(start, min(source.tell(), size))
        yield start, end
        start = end


def by_bytes(source: BinaryIO, chunks: Path, number: int) -> None:
    """Cut into ranges; the bytes are copied inside the kernel."""
    for index, (start, end) in enumerate(byte_ranges(source, number)):
        with chunk_file(chunks, index) as chunk:
            copied = start
            while copied < end:
                copied += os.copy_file_range(source.fileno(), chunk.fileno(), end - copied, offset_src=copied)


def by_lines(source: BinaryIO, chunks: Path, number: int, *, header: bool) -> None:
    """Cut into chunks of equally many lines, each with the first line before it where it is a header."""
    head = source.readline() if header else b""
    lines = source.readlines()
    each = len(lines) // number
    for index in range(number):
        with chunk_file(chunks, index) as chunk:
            chunk.write(head + b"".join(lines[index * each : (index + 1) * each]))


def chunk_file(chunks: Path, index: int) -> BinaryIO:
    """The open file of one chunk, in a folder of its own."""
    folder = chunks / str(index)
    folder.mkdir(parents=True)
    return (folder / "data.bin").open("wb", buffering=0)


def main(source: str, chunks: str, number: str, cut: str) -> None:
    with Path(source).open("rb") as file:
        if cut == "bytes":
            by_bytes(file, Path(chunks), int(number))
        else:
            by_lines(file, Path(chunks), int(number), header=cut == "csv")


if __name__ == "__main__":
    main(*sys.argv[1:])
