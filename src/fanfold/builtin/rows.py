r"""Where the rows of a CSV file end (RFC 4180): behind each `\n` byte that stands outside quotes.

Whether a place is inside quotes is told by whether the number of quotes before it, from the start of a row, is odd; an
escaped quote is two, and changes nothing. So quotes are counted at memory speed, and only the blocks in which a chunk
ends are looked at closer.
"""

from __future__ import annotations

from fanfold.builtin.planning import InputRefused
from fanfold.builtin.sources import shown, text_start, windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fanfold.builtin.planning import Source

NEITHER_QUOTE_NOR_NEWLINE = bytes(set(range(256)) - set(b'"\n'))


class RowBorders:
    """Finds row ends; every place it is asked about must be, or lie behind, the start of a row."""

    record = "row"

    def __init__(self, source: Source, delimiter: bytes = b",") -> None:
        self._source = source
        self._delimiter = delimiter

    def tally(self, block: bytes, low: int, high: int, inside: bool) -> tuple[int, bool]:
        """How many rows end in block[low:high], which begins inside quotes or not; whether it ends inside."""
        if block.find(b'"', low, high) < 0:
            return (0 if inside else block.count(b"\n", low, high)), inside
        marks = block[low:high].translate(None, NEITHER_QUOTE_NOR_NEWLINE)
        parts = ((b'"' if inside else b"") + marks).replace(b'""', b"").split(b'"')
        return sum(map(len, parts[::2])), len(parts) % 2 == 0

    def last_end(self, start: int, limit: int) -> int:
        """The last row end behind `start` and at most at `limit`; `start` where there is none."""
        best, inside = start, False
        for offset, block in windows(self._source, start, min(limit, self._source.size_bytes)):
            inside ^= block.count(b'"') % 2 == 1
            at = _last_row_end(block, inside)
            best = offset + at if at else best
        if limit < self._source.size_bytes:
            return best
        if inside:
            self.refuse_open_end(start)
        return self._source.size_bytes

    def first_end(self, start: int, target: int) -> int:
        """The first row end behind `start` and at least at `target`; the end of the file where there is none."""
        near, inside = max(start, target - 1), False
        for _, block in windows(self._source, start, near):
            inside ^= block.count(b'"') % 2 == 1
        for offset, block in windows(self._source, near, self._source.size_bytes):
            at = _first_row_end(block, inside)
            if at:
                return offset + at
            inside ^= block.count(b'"') % 2 == 1
        if inside:
            self.refuse_open_end(start)
        return self._source.size_bytes

    def refuse_open_end(self, start: int) -> None:
        """Refuses the file, which ends inside quotes, and names the line to look at."""
        line, reason = self._first_bad_quote(start)
        raise InputRefused(
            f'"{shown(self._source.name)}" is not valid CSV: line {line}: {reason}. '
            "Where quotes mean nothing, use split-lines with a header"
        )

    def _first_bad_quote(self, start: int) -> tuple[int, str]:
        """The line and fault of the first quote behind the row start `start` that stands where none may."""
        line = 1 + sum(block.count(b"\n") for _, block in windows(self._source, 0, start))
        start = max(start, text_start(self._source))
        inside, opened = False, line
        before = b"\n"
        for offset, block in windows(self._source, start, self._source.size_bytes):
            behind = self._source.read(offset + len(block), 1)
            seen = 0
            text = before + block + behind
            at = text.find(b'"', 1)
            while 0 < at <= len(block):
                line += text.count(b"\n", max(seen, 1), at)
                seen = at
                fault = self._fault(text, at, inside)
                if fault:
                    return line, fault
                inside = not inside
                opened = line if inside else opened
                at = text.find(b'"', at + 1)
            line += text.count(b"\n", max(seen, 1), 1 + len(block))
            before = block[-1:]
        return opened, "a quote opens a field that is never closed"

    def _fault(self, text: bytes, at: int, inside: bool) -> str:
        before, behind = text[at - 1 : at], text[at + 1 : at + 2]
        if not inside and before not in {b"\n", b'"', self._delimiter}:
            return "a quote inside a field that does not begin with one"
        if inside and behind not in {b"", b"\n", b"\r", b'"', self._delimiter}:
            return "a quote is followed by more text, and is not doubled"
        return ""


def _last_row_end(block: bytes, inside: bool) -> int:
    """The offset behind the last row end in `block`, 0 if there is none; `inside` is the state behind the block."""
    high = len(block)
    while True:
        quote = block.rfind(b'"', 0, high)
        newline = -1 if inside else block.rfind(b"\n", quote + 1, high)
        if newline >= 0 or quote < 0:
            return newline + 1
        high, inside = quote, not inside


def _first_row_end(block: bytes, inside: bool) -> int:
    """The offset behind the first row end in `block`, 0 if there is none; `inside` is the state before the block."""
    low = 0
    while True:
        quote = block.find(b'"', low)
        newline = -1 if inside else block.find(b"\n", low, len(block) if quote < 0 else quote)
        if newline >= 0 or quote < 0:
            return newline + 1
        low, inside = quote + 1, not inside
