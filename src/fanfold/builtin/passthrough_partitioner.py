"""Partitioner `passthrough`: each file of the source is one chunk."""

from __future__ import annotations

from fanfold.builtin.describing import manifest, schema
from fanfold.builtin.parameters import Params
from fanfold.builtin.planning import PlannedChunk
from fanfold.builtin.program import partition
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fanfold.builtin.planning import Source

MANIFEST = manifest("passthrough", "partitioner", "Makes each file of the source one chunk.")
SCHEMA = schema({})


def plan(sources: Sequence[Source], params: Mapping[str, object]) -> Iterator[PlannedChunk]:
    """One chunk per file, empty ones too; nothing is read."""
    Params(SCHEMA, params)
    for number, source in enumerate(sources):
        yield PlannedChunk(number, 0, source.size_bytes, label=shown(source.name))


def main() -> None:
    """Runs as a program."""
    partition(plan)


if __name__ == "__main__":
    main()
