"""Partitioner `list-files`: a few files of the source per chunk."""

from __future__ import annotations

import os

from fanfold.builtin.copying import copy_file, write_all
from fanfold.builtin.describing import choice, manifest, schema, whole
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import ChunkFolder, folder, partitioner_params, run
from fanfold.builtin.sources import shown, sources_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanfold.builtin.sources import FileSource

MANIFEST = manifest("list-files", "partitioner", "Puts a few files of the source into each chunk.")
SCHEMA = schema(
    {
        "files_per_chunk": whole(1, "How many files a chunk holds; the last one may hold fewer.", 1),
        "format": choice(
            ("tar", "concat", "names"),
            "What a chunk is: an uncompressed tar of its files, their contents one after the other, "
            "or just their names, one per line.",
        ),
    }
)


def main() -> None:
    """Runs as a program."""
    run(_partition)


def _partition() -> None:
    params = partitioner_params(SCHEMA)
    sources = sources_in(folder("SOURCE_DIR"))
    amount = params.whole("files_per_chunk") or 1
    with ChunkFolder(folder("CHUNKS_DIR")) as chunks:
        for start in range(0, len(sources), amount):
            group = sources[start : start + amount]
            target = chunks.create(_label(group))
            try:
                _write(params.text("format"), group, target)
            finally:
                os.close(target)


def _label(group: Sequence[FileSource]) -> str:
    first = shown(group[0].name)
    return first if len(group) == 1 else f"{first} ... {shown(group[-1].name)} ({len(group)} files)"


def _write(form: str, group: Sequence[FileSource], target: int) -> None:
    if form == "tar":
        from fanfold.builtin.archiving import write_tar

        with open(target, "wb", closefd=False) as file:
            write_tar(file, ((source.name, source.path) for source in group))
    elif form == "concat":
        for source in group:
            copy_file(source.path, target)
    else:
        write_all(target, b"".join(_name_line(source.name) for source in group))


def _name_line(name: str) -> bytes:
    if "\n" in name or "\r" in name:
        raise InputRefused(
            f'the name "{shown(name)}" contains a line break and cannot stand in a list: use "format": "tar"'
        )
    return os.fsencode(name) + b"\n"


if __name__ == "__main__":
    main()
