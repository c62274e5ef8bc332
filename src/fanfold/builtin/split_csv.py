"""Partitioner `split-csv`: a CSV file into chunks of whole rows, each with the header."""

from __future__ import annotations

from fanfold.builtin.cutting import Size, record_chunks
from fanfold.builtin.describing import flag, manifest, schema, sizes
from fanfold.builtin.parameters import Params
from fanfold.builtin.program import partition
from fanfold.builtin.rows import RowBorders
from fanfold.builtin.sources import refuse_binary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fanfold.builtin.planning import PlannedChunk, Source

DELIMITER = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1,
    "description": "The character between two fields.",
    "default": ",",
}
READS_TEXT = True
MANIFEST = manifest("split-csv", "partitioner", "Splits CSV files into chunks of whole rows, each with the header.")
SCHEMA = schema(
    {
        **sizes("rows", "How many rows a chunk holds, the header not counted."),
        "header": flag("Whether the first row of each file is its header, repeated in every chunk.", default=True),
        "delimiter": DELIMITER,
    },
    exclusive=("rows", "max_bytes", "num_chunks"),
)


def plan(sources: Sequence[Source], params: Mapping[str, object]) -> Iterator[PlannedChunk]:
    """The chunks of each file in turn; raises InputRefused for binary files and quotes that are never closed."""
    settings = Params(SCHEMA, params)
    size = Size(settings, "rows")
    delimiter = settings.text("delimiter").encode()
    for number, (source, share) in enumerate(zip(sources, size.shares(sources), strict=True)):
        refuse_binary(source)
        borders = RowBorders(source, delimiter)
        yield from record_chunks(number, source, borders, size, share, int(settings.flag("header")))


def main() -> None:
    """Runs as a program."""
    partition(plan)


if __name__ == "__main__":
    main()
