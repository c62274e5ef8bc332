"""Partitioner `split-parquet`: Parquet files into chunks of whole row groups, each a Parquet file."""

from __future__ import annotations

import os

from fanfold.builtin.cutting import Size, counted
from fanfold.builtin.describing import manifest, schema, sizes
from fanfold.builtin.program import ChunkFolder, folder, partitioner_params, run
from fanfold.builtin.sources import shown, sources_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fanfold.builtin.parquet import ParquetSource

MANIFEST = manifest("split-parquet", "partitioner", "Splits Parquet files into chunks of whole row groups.")
SCHEMA = schema(
    sizes("row_groups", "How many row groups a chunk holds; the last one of a file may hold fewer."),
    exclusive=("row_groups", "max_bytes", "num_chunks"),
)


def main() -> None:
    """Runs as a program."""
    run(_partition)


def _partition() -> None:
    size = Size(partitioner_params(SCHEMA), "row_groups")
    sources = sources_in(folder("SOURCE_DIR"))
    from fanfold.builtin.parquet import ParquetSource

    with ChunkFolder(folder("CHUNKS_DIR")) as chunks:
        for source, share in zip(sources, size.shares(sources), strict=True):
            if source.size_bytes:
                with ParquetSource(source.name, source.path) as file:
                    _split(file, size, share, chunks)


def _split(file: ParquetSource, size: Size, share: int, chunks: ChunkFolder) -> None:
    from fanfold.builtin.parquet import ParquetTarget

    for start, stop in runs(file.group_bytes(), size, share):
        label = counted("row group", start + 1, stop - start) if start < stop else "no rows"
        descriptor = chunks.create(f"{shown(file.title)} {label}")
        try:
            with ParquetTarget(descriptor, file.schema, file.codec()) as target:
                for number in range(start, stop):
                    target.write(file.tables(number))
        finally:
            os.close(descriptor)


def runs(weights: Sequence[int], size: Size, share: int) -> Iterator[tuple[int, int]]:
    """Which row groups stand together, as (start, stop): by number, by bytes, or in `share` parts of about equal bytes.

    A file without row groups gives one empty run, so that its schema is not lost.
    """
    if not weights:
        yield 0, 0
        return
    total, start, held, before = sum(weights), 0, 0, 0
    for number, weight in enumerate(weights):
        if size.unit == "num_chunks":
            full = before * share // total > (before - held) * share // total
        elif size.unit == "max_bytes":
            full = held + weight > size.amount
        else:
            full = number - start >= size.amount
        if full and number > start:
            yield start, number
            start, held = number, 0
        held += weight
        before += weight
    yield start, len(weights)


if __name__ == "__main__":
    main()
