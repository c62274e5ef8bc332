"""The inputs of the workloads, generated: the same bytes on every machine."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from pathlib import Path

MIB = 1024 * 1024
KEYS = 50
ROWS_A_CHUNK = 500


def _words(source: random.Random) -> list[str]:
    return ["".join(source.choices(string.ascii_lowercase, k=source.randint(3, 9))) for _ in range(5000)]


def _line(source: random.Random, words: list[str], size_bytes: int) -> str:
    line = ""
    while len(line) < size_bytes - 10:
        line += source.choice(words) + " "
    return line[:-1] + "\n"


def text_lines(place: Path, count: int) -> None:
    """Write `count` lines of about 1 KB."""
    source = random.Random(1)
    words = _words(source)
    with place.open("w", encoding="ascii") as file:
        file.writelines(_line(source, words, 1024) for _ in range(count))


def readings(place: Path, chunks: int) -> None:
    """Write a CSV table of key and value, 500 rows a chunk."""
    source = random.Random(2)
    keys = _words(source)[:KEYS]
    with place.open("w", encoding="ascii") as file:
        file.write("key,value\n")
        file.writelines(f"{source.choice(keys)},{source.random():.6f}\n" for _ in range(chunks * ROWS_A_CHUNK))


def large_text(place: Path, size_mib: int) -> None:
    """Write exactly so many MiB of text in lines of about 120 bytes; the last line may be cut."""
    source = random.Random(3)
    words = _words(source)
    block = "".join(_line(source, words, 120) for _ in range(70_000)).encode("ascii")
    with place.open("wb") as file:
        for part in _repeated(block, size_mib * MIB):
            file.write(part)


def _repeated(block: bytes, size_bytes: int) -> Iterator[bytes]:
    for start in range(0, size_bytes, len(block)):
        yield block[: size_bytes - start]


def seeds(place: Path, count: int) -> None:
    """Write the numbers 1 to `count`, one a line."""
    place.write_text("".join(f"{seed}\n" for seed in range(1, count + 1)), encoding="ascii")


def made(place: Path, make: Callable[[Path, int], None], size: int) -> Path:
    """`place`, filled by `make` where it is missing; an interrupted making leaves nothing under that name."""
    if not place.exists():
        print(f"making {place.name} ...", flush=True)
        unfinished = place.with_name(place.name + ".part")
        make(unfinished, size)
        unfinished.rename(place)
    return place
