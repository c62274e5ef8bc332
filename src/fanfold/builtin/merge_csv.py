"""Assembler `merge-csv`: CSV results in one file with one header."""

from __future__ import annotations

import os

from fanfold.builtin.copying import copy_range, write_all
from fanfold.builtin.cutting import header_end
from fanfold.builtin.describing import flag, manifest, output_file, schema
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import create, output_path, results
from fanfold.builtin.rows import RowBorders
from fanfold.builtin.sources import UTF8_MARK, read_exactly, shown, text_start
from fanfold.builtin.split_csv import DELIMITER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fanfold.builtin.results import Result
    from fanfold.builtin.sources import FileSource

SHOWN_HEADER = 200
MANIFEST = manifest("merge-csv", "assembler", "Puts CSV results into one file with one header, in chunk order.")
SCHEMA = schema(
    {
        "output": output_file("output.csv"),
        "header": flag("Whether the first row of each result is a header; all of them must be equal.", default=True),
        "delimiter": DELIMITER,
    }
)


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = results()
    target = create(output_path(params, found, "output.csv"))
    try:
        table = Table(target, has_header=params.flag("header"), delimiter=params.text("delimiter"))
        for result in found:
            table.append(result)
    finally:
        os.close(target)


class Table:
    """The merged file while it grows."""

    def __init__(self, target: int, *, has_header: bool, delimiter: str) -> None:
        self._target = target
        self._has_header = has_header
        self._delimiter = delimiter
        self._first: tuple[str, bytes] | None = None  # title and first row of the first result that is not empty
        self._ends_in_row = False

    def append(self, result: Result) -> None:
        """Adds the rows of one result; refuses another header, and quotes that are never closed."""
        source = result.source()
        if not source.size_bytes:
            return
        borders = RowBorders(source, self._delimiter.encode())
        borders.last_end(0, source.size_bytes)
        start = self._start(source, read_exactly(source, 0, header_end(source, borders, 1)))
        if start == source.size_bytes:
            return
        if self._ends_in_row:
            write_all(self._target, b"\r\n" if self._first and self._first[1].endswith(b"\r\n") else b"\n")
        copy_range(result.path, start, source.size_bytes - start, self._target)
        self._ends_in_row = source.read(source.size_bytes - 1, 1) != b"\n"

    def _start(self, source: FileSource, first_row: bytes) -> int:
        """Where the rows to copy begin."""
        if self._first is None:
            self._first = (source.name, first_row)
            return 0
        if not self._has_header:
            return text_start(source)
        if not self._equal(self._first[1], first_row):
            raise InputRefused(
                f"the header of {source.name} is not that of {self._first[0]}: "
                f'found "{_text(first_row)}", expected "{_text(self._first[1])}"'
            )
        return len(first_row)

    def _equal(self, left: bytes, right: bytes) -> bool:
        """Whether two header rows mean the same, however they are quoted and ended."""
        if _bare(left) == _bare(right):
            return True
        import csv

        try:
            rows = [next(csv.reader([_bare(row).decode()], delimiter=self._delimiter)) for row in (left, right)]
        except (csv.Error, StopIteration, UnicodeDecodeError):
            return False
        return rows[0] == rows[1]


def _bare(row: bytes) -> bytes:
    return row.removeprefix(UTF8_MARK).removesuffix(b"\n").removesuffix(b"\r")


def _text(row: bytes) -> str:
    text = _bare(row)[:SHOWN_HEADER].decode("utf-8", "replace")
    return shown(text)


if __name__ == "__main__":
    main()
