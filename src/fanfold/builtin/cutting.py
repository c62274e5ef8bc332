"""From the borders between records to chunks: whole records, as many as the params ask for.

A file is cut by itself. Its first chunk begins at its first byte and so holds the header anyway; every further one gets
the header's bytes as prefix. An empty file gives no chunk, a file that holds nothing but its header gives one.
"""

from __future__ import annotations

from fanfold.builtin.describing import DEFAULT_MAX_BYTES
from fanfold.builtin.planning import InputRefused, PlannedChunk
from fanfold.builtin.sources import read_exactly, shown, windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol

    from fanfold.builtin.parameters import Params
    from fanfold.builtin.planning import Source

    class Borders(Protocol):
        """Where records of one format end in one source; `start` is always the start of a record."""

        @property
        def record(self) -> str:
            """What a record is called, in the singular."""

        def tally(self, block: bytes, low: int, high: int, inside: bool) -> tuple[int, bool]:
            """How many records end in block[low:high]; `inside` is whether a quote is open there, before and behind."""

        def last_end(self, start: int, limit: int) -> int:
            """The last record end behind `start` and at most at `limit`; `start` where there is none."""

        def first_end(self, start: int, target: int) -> int:
            """The first record end behind `start`, at least at `target`; the end of the file where there is none."""

        def refuse_open_end(self, start: int) -> None:
            """Refuses a file that ends with a quote open, if the format minds."""


LARGEST_HEADER_BYTES = 16 * 1024 * 1024
STEP_BYTES = 16 * 1024


class Size:
    """How large chunks shall be: a unit (`max_bytes`, `num_chunks`, or the format's records) and how many of it."""

    __slots__ = ("amount", "unit")

    def __init__(self, params: Params, *units: str) -> None:
        given = [unit for unit in (*units, "max_bytes", "num_chunks") if unit in params]
        self.unit = given[0] if given else "max_bytes"
        self.amount = (params.whole(self.unit) if given else None) or DEFAULT_MAX_BYTES

    def shares(self, sources: Sequence[Source]) -> list[int]:
        """For `num_chunks`: how many chunks each source gives, by its size; at least one unless it is empty."""
        if self.unit != "num_chunks":
            return [0] * len(sources)
        return apportioned([source.size_bytes for source in sources], self.amount)


def apportioned(sizes: Sequence[int], count: int) -> list[int]:
    """Shares `count` out in proportion to `sizes`: at least one each, but none for an empty one."""
    filled = [index for index, size in enumerate(sizes) if size]
    shares = [1 if size else 0 for size in sizes]
    spare = count - len(filled)
    if spare <= 0:
        return shares
    total = sum(sizes)
    wanted = {index: max(0, sizes[index] * count - total) for index in filled}  # beyond its first one, times `total`
    whole = sum(wanted.values())
    for index in filled:
        shares[index] += spare * wanted[index] // whole
    by_remainder = sorted(filled, key=lambda index: (-(spare * wanted[index] % whole), index))
    for index in by_remainder[: count - sum(shares)]:
        shares[index] += 1
    return shares


def record_chunks(
    number: int, source: Source, borders: Borders, size: Size, share: int, header_records: int = 0
) -> Iterator[PlannedChunk]:
    """The chunks of one source, in order; `share` is its number of chunks where the size is `num_chunks`."""
    if not source.size_bytes:
        return
    begin = header_end(source, borders, header_records)
    header = read_exactly(source, 0, begin)
    for start, stop, label in _cuts(source, borders, size, share, begin):
        first = start == begin
        yield PlannedChunk(
            source=number,
            offset=0 if first else start,
            length=stop if first else stop - start,
            prefix=b"" if first else header,
            label=f"{shown(source.name)} {label}",
        )


def _cuts(source: Source, borders: Borders, size: Size, share: int, begin: int) -> Iterator[tuple[int, int, str]]:
    end = source.size_bytes
    if begin == end:
        yield begin, end, "header only"
    elif size.unit == "max_bytes":
        for start, stop in by_size(borders, begin, end, max(1, size.amount - begin)):
            yield start, stop, span(start, stop)
    elif size.unit == "num_chunks":
        for start, stop in by_number(borders, begin, end, share):
            yield start, stop, span(start, stop)
    else:
        first = 1
        for start, stop, found in by_records(source, borders, begin, size.amount):
            yield start, stop, counted(borders.record, first, found)
            first += found


def span(start: int, stop: int) -> str:
    """The label of a byte range, both ends included."""
    return f"bytes {start}-{stop - 1}"


def counted(record: str, first: int, found: int) -> str:
    """The label of a run of records, counted from 1."""
    return f"{record} {first}" if found == 1 else f"{record}s {first}-{first + found - 1}"


def header_end(source: Source, borders: Borders, records: int) -> int:
    """Where the first `records` records end, or the file; refuses a header that is too large to repeat."""
    inside, left = False, records
    if not left:
        return 0
    for offset, block in windows(source, 0, min(source.size_bytes, LARGEST_HEADER_BYTES)):
        found, behind = borders.tally(block, 0, len(block), inside)
        if found >= left:
            return offset + _nth_end(block, 0, len(block), left, inside, borders.tally)
        left, inside = left - found, behind
    if source.size_bytes > LARGEST_HEADER_BYTES:
        raise InputRefused(
            f'the header of "{shown(source.name)}" is longer than {LARGEST_HEADER_BYTES} bytes: '
            "is it a text file with such a header?"
        )
    if inside:
        borders.refuse_open_end(0)
    return source.size_bytes


def by_size(borders: Borders, begin: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """As many whole records as fit into `most` bytes; a longer record stands alone."""
    while begin < end:
        stop = borders.last_end(begin, begin + most)
        if stop == begin:
            stop = borders.first_end(begin, begin + most)
        yield begin, stop
        begin = stop


def by_number(borders: Borders, begin: int, end: int, count: int) -> Iterator[tuple[int, int]]:
    """At most `count` ranges of about equal length."""
    start, span_bytes = begin, end - begin
    while start < end:
        part = (start - begin) * count // span_bytes + 1
        stop = borders.first_end(start, begin + -(-span_bytes * part // count))
        yield start, stop
        start = stop


def by_records(source: Source, borders: Borders, begin: int, records: int) -> Iterator[tuple[int, int, int]]:
    """`records` records each, the last range maybe fewer: (start, stop, records)."""
    start, left, inside = begin, records, False
    for offset, block in windows(source, begin, source.size_bytes):
        low = 0
        while low < len(block):
            high = min(low + STEP_BYTES, len(block))
            found, behind = borders.tally(block, low, high, inside)
            if found < left:
                low, left, inside = high, left - found, behind
                continue
            low = _nth_end(block, low, high, left, inside, borders.tally)
            yield start, offset + low, records
            start, left, inside = offset + low, records, False
    if inside:
        borders.refuse_open_end(start)
    if start < source.size_bytes:
        open_record = source.read(source.size_bytes - 1, 1) != b"\n"
        yield start, source.size_bytes, records - left + open_record


def _nth_end(
    block: bytes,
    low: int,
    high: int,
    wanted: int,
    inside: bool,
    tally: Callable[[bytes, int, int, bool], tuple[int, bool]],
) -> int:
    """The offset just behind the `wanted`-th record end in block[low:high], which has that many: by halving."""
    while high - low > 1:
        middle = (low + high) // 2
        found, behind = tally(block, low, middle, inside)
        if found >= wanted:
            high = middle
        else:
            low, wanted, inside = middle, wanted - found, behind
    return high
