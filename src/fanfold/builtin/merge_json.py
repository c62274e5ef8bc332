"""Assembler `merge-json`: JSON results in one array, one file of JSON Lines, or one object."""

from __future__ import annotations

from fanfold.builtin.copying import copy_range
from fanfold.builtin.describing import choice, manifest, output_file, schema
from fanfold.builtin.json_cursor import END, OPEN_ARRAY, JsonCursor
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import output_path, results
from fanfold.builtin.sources import windows
from fanfold.builtin.split_json import LINES_SUFFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from fanfold.builtin.results import Result
    from fanfold.builtin.sources import FileSource

KERNEL_COPY_BYTES = 1024 * 1024
LINE_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")
MANIFEST = manifest("merge-json", "assembler", "Merges JSON results into one array, JSON Lines or one object.")
SCHEMA = schema(
    {
        "output": output_file("output.json"),
        "mode": choice(
            ("auto", "array", "lines", "object"),
            "`array`: the items of arrays, and every other value as an item. `lines`: every value on its own line. "
            "`object`: the members of all objects. `auto`: `lines` where the first result is JSON Lines, else `array`.",
        ),
    }
)


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = results()
    mode = params.text("mode")
    if mode == "auto":
        mode = "lines" if found and _is_lines(found[0]) else "array"
    path = output_path(params, found, "output.jsonl" if mode == "lines" else "output.json")
    with open(path, "wb") as target:
        if mode == "array":
            _write_array(target, found)
        elif mode == "lines":
            _write_lines(target, found)
        else:
            _write_object(target, found)


def _is_lines(result: Result) -> bool:
    """Whether a result is JSON Lines: by its name, or because it holds several values."""
    if result.name.lower().endswith(LINES_SUFFIXES):
        return True
    cursor = JsonCursor(result.source())
    if cursor.peek() == END:
        return False
    cursor.skip_value()
    return cursor.peek() != END


def _write_array(target: BinaryIO, found: Sequence[Result]) -> None:
    target.write(b"[")
    count = 0
    for result in found:
        source = result.source()
        for start, end in _item_runs(source):
            target.write(b",\n" if count else b"")
            _append(target, source, start, end)
            count += 1
    target.write(b"]\n")


def _item_runs(source: FileSource) -> Iterator[tuple[int, int]]:
    """From the first item of each array to its last; other values as they are."""
    cursor = JsonCursor(source)
    while (byte := cursor.peek()) != END:
        if byte != OPEN_ARRAY:
            start = cursor.offset
            cursor.skip_value()
            yield start, cursor.offset
            continue
        cursor.enter_array()
        first = last = 0
        while run := cursor.next_items():
            first, last = first or run[0], run[1]
        if last:
            yield first, last


def _append(target: BinaryIO, source: FileSource, start: int, end: int) -> None:
    if end - start <= KERNEL_COPY_BYTES:
        target.write(source.read(start, end - start))
        return
    target.flush()
    copy_range(source.path, start, end - start, target.fileno())


def _write_lines(target: BinaryIO, found: Sequence[Result]) -> None:
    for result in found:
        source = result.source()
        cursor = JsonCursor(source)
        while cursor.peek() != END:
            start = cursor.offset
            cursor.skip_value()
            blocks = windows(source, start, cursor.offset)
            target.writelines(block.translate(LINE_BREAKS_TO_SPACES) for _, block in blocks)
            target.write(b"\n")


def _write_object(target: BinaryIO, found: Sequence[Result]) -> None:
    from fanfold.builtin.json_files import dumped, load

    merged: dict[str, object] = {}
    origins: dict[str, Result] = {}
    for result in found:
        members = load(result)
        if not isinstance(members, dict):
            raise InputRefused(f'{result.title} is not a JSON object, which "mode": "object" needs')
        for key, value in members.items():
            if key in merged and dumped(merged[key]) != dumped(value):
                raise InputRefused(f'{result.title} has another value for the key "{key}" than {origins[key].title}')
            merged.setdefault(key, value)
            origins.setdefault(key, result)
    target.write(dumped(merged))


if __name__ == "__main__":
    main()
