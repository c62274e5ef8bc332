"""Partitioner `split-bytes`: any file into chunks of equal size, wherever that cuts."""

from __future__ import annotations

from fanfold.builtin.cutting import Size, span
from fanfold.builtin.describing import manifest, schema, sizes
from fanfold.builtin.parameters import Params
from fanfold.builtin.planning import PlannedChunk
from fanfold.builtin.program import partition
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fanfold.builtin.planning import Source

MANIFEST = manifest("split-bytes", "partitioner", "Splits any files into chunks of equal size, wherever that cuts.")
SCHEMA = schema(sizes(), exclusive=("max_bytes", "num_chunks"))


def plan(sources: Sequence[Source], params: Mapping[str, object]) -> Iterator[PlannedChunk]:
    """The chunks of each file in turn; nothing is read."""
    size = Size(Params(SCHEMA, params))
    for number, (source, share) in enumerate(zip(sources, size.shares(sources), strict=True)):
        for start, stop in _cuts(source.size_bytes, size, share):
            yield PlannedChunk(number, start, stop - start, label=f"{shown(source.name)} {span(start, stop)}")


def _cuts(end: int, size: Size, share: int) -> Iterator[tuple[int, int]]:
    if size.unit == "max_bytes":
        for start in range(0, end, size.amount):
            yield start, min(start + size.amount, end)
        return
    parts = min(share, end)
    for part in range(parts):
        yield end * part // parts, end * (part + 1) // parts


def main() -> None:
    """Runs as a program."""
    partition(plan)


if __name__ == "__main__":
    main()
