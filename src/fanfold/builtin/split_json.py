"""Partitioner `split-json`: the items of a JSON array, or JSON Lines, into chunks of the same form."""

from __future__ import annotations

from fanfold.builtin.cutting import Size, counted, record_chunks
from fanfold.builtin.describing import choice, manifest, schema, sizes
from fanfold.builtin.json_cursor import END, OPEN_ARRAY, OPEN_OBJECT, JsonCursor
from fanfold.builtin.lines import LineBorders
from fanfold.builtin.parameters import Params
from fanfold.builtin.planning import InputRefused, PlannedChunk
from fanfold.builtin.program import partition
from fanfold.builtin.sources import refuse_binary, shown, windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fanfold.builtin.planning import Source

LINES_SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")
READS_TEXT = True
MANIFEST = manifest("split-json", "partitioner", "Splits JSON arrays and JSON Lines into chunks of whole items.")
SCHEMA = schema(
    {
        **sizes("items", "How many items a chunk holds; in JSON Lines each line is one."),
        "format": choice(
            ("auto", "array", "lines"),
            "Whether files are JSON arrays or JSON Lines; `auto` tells from the file name and the first value.",
        ),
        "path": {
            "type": "string",
            "minLength": 1,
            "description": "Where the array stands inside an object: its keys with dots between them, "
            "such as `features` for GeoJSON.",
        },
    },
    exclusive=("items", "max_bytes", "num_chunks"),
)


def plan(sources: Sequence[Source], params: Mapping[str, object]) -> Iterator[PlannedChunk]:
    """The chunks of each file in turn; raises InputRefused, maybe after some chunks, for what is not JSON."""
    settings = Params(SCHEMA, params)
    size = Size(settings, "items")
    path = settings.text("path").split(".") if "path" in settings else []
    form = settings.text("format")
    if path and form == "lines":
        raise InputRefused('param "path" names an array, so it does not go with "format": "lines"')
    for number, (source, share) in enumerate(zip(sources, size.shares(sources), strict=True)):
        refuse_binary(source)
        if not source.size_bytes:
            continue
        if form == "array" or path or (form == "auto" and _is_array(source)):
            yield from _array_chunks(number, source, size, share, path)
        else:
            yield from record_chunks(number, source, LineBorders(source, "item"), size, share)


def _is_array(source: Source) -> bool:
    """Whether a file is one array rather than JSON Lines; refuses one object, which may hold the array somewhere."""
    if source.name.lower().endswith(LINES_SUFFIXES):
        return False
    cursor = JsonCursor(source)
    byte = cursor.peek()
    if byte != OPEN_OBJECT:
        return byte == OPEN_ARRAY
    start = cursor.offset
    cursor.skip_value()
    stop = cursor.offset
    lone = cursor.peek() == END
    if lone or any(b"\n" in block for _, block in windows(source, start, stop)):
        raise InputRefused(
            f'"{shown(source.name)}" is neither a JSON array nor JSON Lines but {"an object" if lone else "objects"}: '
            'name the array inside it with the param "path" (such as "features"), or give "format": "lines"'
        )
    return False


def _array_chunks(number: int, source: Source, size: Size, share: int, path: Sequence[str]) -> Iterator[PlannedChunk]:
    cursor = JsonCursor(source)
    cursor.enter_array(path)
    first = 1
    for start, stop, found in _groups(cursor, size, share, source.size_bytes):
        label = f"{shown(source.name)} {counted('item', first, found)}"
        yield PlannedChunk(number, start, stop - start, prefix=b"[", suffix=b"]", label=label)
        first += found
    cursor.finish(len(path))


def _groups(cursor: JsonCursor, size: Size, share: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Runs of items as large as asked for: (start of the first, end of the last, how many)."""
    if size.unit == "items":
        return _by_items(cursor, size.amount)
    if size.unit == "max_bytes":
        return _by_size(cursor, size.amount - len("[]"))
    return _by_number(cursor, end, share)


def _by_items(cursor: JsonCursor, amount: int) -> Iterator[tuple[int, int, int]]:
    count = first = last = 0
    while run := cursor.next_items(most=amount - count):
        start, last, found = run
        first = first if count else start
        count += found
        if count == amount:
            yield first, last, count
            count = 0
    if count:
        yield first, last, count


def _by_size(cursor: JsonCursor, most: int) -> Iterator[tuple[int, int, int]]:
    count = first = last = 0
    while run := cursor.next_items(until=(first if count else cursor.offset) + most):
        start, stop, found = run
        if count and stop - first > most:
            yield first, last, count
            count = 0
        first = first if count else start
        last = stop
        count += found
    if count:
        yield first, last, count


def _by_number(cursor: JsonCursor, end: int, parts: int) -> Iterator[tuple[int, int, int]]:
    """At most `parts` runs; the array is taken to reach to the end of the file."""
    begin, span = cursor.offset, end - cursor.offset
    count = first = last = 0
    target = begin + -(-span // parts)
    while run := cursor.next_items(until=target - 1):
        start, last, found = run
        first = first if count else start
        count += found
        if last >= target:
            yield first, last, count
            count = 0
            part = (last - begin) * parts // span + 1
            target = begin + -(-span * part // parts)
    if count:
        yield first, last, count


def main() -> None:
    """Runs as a program."""
    partition(plan)


if __name__ == "__main__":
    main()
