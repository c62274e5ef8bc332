r"""Where lines end: behind each `\n` byte; a carriage return before it belongs to the line, the last may lack it."""

from __future__ import annotations

from fanfold.builtin.sources import read_exactly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fanfold.builtin.planning import Source

FIRST_READ_BYTES = 64 * 1024
LARGEST_READ_BYTES = 4 * 1024 * 1024


class LineBorders:
    """Finds line ends with small reads around the place where one is wanted."""

    def __init__(self, source: Source, record: str = "line") -> None:
        self._source = source
        self.record = record

    def tally(self, block: bytes, low: int, high: int, inside: bool) -> tuple[int, bool]:
        """How many lines end in block[low:high]; nothing can be open behind it."""
        return block.count(b"\n", low, high), inside

    def refuse_open_end(self, start: int) -> None:
        """A last line without its line end is a line all the same."""

    def last_end(self, start: int, limit: int) -> int:
        """The last line end behind `start` and at most at `limit`; `start` where there is none."""
        if limit >= self._source.size_bytes:
            return self._source.size_bytes
        length, high = FIRST_READ_BYTES, limit
        while high > start:
            low = max(start, high - length)
            at = read_exactly(self._source, low, high - low).rfind(b"\n")
            if at >= 0:
                return low + at + 1
            length, high = min(2 * length, LARGEST_READ_BYTES), low
        return start

    def first_end(self, start: int, target: int) -> int:
        """The first line end behind `start` and at least at `target`; the end of the file where there is none."""
        size = self._source.size_bytes
        length, low = FIRST_READ_BYTES, max(start, target - 1)
        while low < size:
            high = min(low + length, size)
            at = read_exactly(self._source, low, high - low).find(b"\n")
            if at >= 0:
                return low + at + 1
            length, low = min(2 * length, LARGEST_READ_BYTES), high
        return size
