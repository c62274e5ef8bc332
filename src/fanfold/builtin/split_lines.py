"""Partitioner `split-lines`: a text file into chunks of whole lines."""

from __future__ import annotations

from fanfold.builtin.cutting import Size, record_chunks
from fanfold.builtin.describing import manifest, schema, sizes, whole
from fanfold.builtin.lines import LineBorders
from fanfold.builtin.parameters import Params
from fanfold.builtin.program import partition
from fanfold.builtin.sources import refuse_binary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fanfold.builtin.planning import PlannedChunk, Source

READS_TEXT = True
MANIFEST = manifest("split-lines", "partitioner", "Splits text files into chunks of whole lines.")
SCHEMA = schema(
    {
        **sizes("lines", "How many lines a chunk holds, the repeated header not counted."),
        "header": whole(0, "How many lines at the start of each file are its header, repeated in every chunk.", 0),
    },
    exclusive=("lines", "max_bytes", "num_chunks"),
)


def plan(sources: Sequence[Source], params: Mapping[str, object]) -> Iterator[PlannedChunk]:
    """The chunks of each file in turn; raises InputRefused for binary files."""
    settings = Params(SCHEMA, params)
    size = Size(settings, "lines")
    for number, (source, share) in enumerate(zip(sources, size.shares(sources), strict=True)):
        refuse_binary(source)
        yield from record_chunks(number, source, LineBorders(source), size, share, settings.whole("header") or 0)


def main() -> None:
    """Runs as a program."""
    partition(plan)


if __name__ == "__main__":
    main()
