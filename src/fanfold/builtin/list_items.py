"""Partitioner `list-items`: the chunks stand in the params: addresses, prompts, numbers to try."""

from __future__ import annotations

import json
import os

from fanfold.builtin.copying import write_all
from fanfold.builtin.describing import choice, manifest, schema, whole
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import ChunkFolder, folder, partitioner_params, run
from fanfold.builtin.sources import shown

LONGEST_LABEL = 80
MANIFEST = manifest("list-items", "partitioner", "Makes chunks of items that are given in the params.")
SCHEMA = schema(
    {
        "items": {"type": "array", "description": "The items: any JSON values."},
        "per_chunk": whole(1, "How many items a chunk holds; the last one may hold fewer.", 1),
        "format": choice(
            ("text", "json"),
            "How an item is written on its line: `text` writes strings as they are and other values as JSON; "
            "`json` writes strings as JSON too, with quotes.",
        ),
    },
    required=("items",),
)


def main() -> None:
    """Runs as a program."""
    run(_partition)


def _partition() -> None:
    params = partitioner_params(SCHEMA)
    items, amount, as_json = params.items("items"), params.whole("per_chunk") or 1, params.text("format") == "json"
    with ChunkFolder(folder("CHUNKS_DIR")) as chunks:
        for start in range(0, len(items), amount):
            group = items[start : start + amount]
            lines = [_line(number, item, as_json, alone=amount == 1) for number, item in enumerate(group, start + 1)]
            target = chunks.create(_label(start, group))
            try:
                write_all(target, b"".join(lines))
            finally:
                os.close(target)


def _line(number: int, item: object, as_json: bool, *, alone: bool) -> bytes:
    if as_json or not isinstance(item, str):
        return json.dumps(item).encode() + b"\n"
    if not alone and ("\n" in item or "\r" in item):
        raise InputRefused(
            f'item {number} contains a line break, but items stand one per line: use "format": "json" or "per_chunk": 1'
        )
    try:
        return item.encode() + b"\n"
    except UnicodeEncodeError as err:
        raise InputRefused(f'item {number} is not valid text ({err.reason}): use "format": "json"') from err


def _label(start: int, group: list[object]) -> str:
    if len(group) > 1:
        return f"items {start + 1}-{start + len(group)}"
    text = group[0] if isinstance(group[0], str) else json.dumps(group[0])
    return shown(text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…")


if __name__ == "__main__":
    main()
