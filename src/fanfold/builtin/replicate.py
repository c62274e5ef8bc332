"""Partitioner `replicate`: the same chunk many times over, for simulations, renderings and random trials."""

from __future__ import annotations

from fanfold.builtin.describing import manifest, schema, whole
from fanfold.builtin.parameters import Params
from fanfold.builtin.planning import PlannedChunk
from fanfold.builtin.program import partition
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fanfold.builtin.planning import Source

MANIFEST = manifest("replicate", "partitioner", "Makes many equal chunks of each file of the source.")
SCHEMA = schema(
    {"num_replicas": whole(1, "How many chunks each file gives, all of them the whole file.")},
    required=("num_replicas",),
)


def plan(sources: Sequence[Source], params: Mapping[str, object]) -> Iterator[PlannedChunk]:
    """All replicas of the first file, then those of the next; nothing is read."""
    replicas = Params(SCHEMA, params).whole("num_replicas") or 0
    for number, source in enumerate(sources):
        for replica in range(1, replicas + 1):
            label = f"{shown(source.name)} replica {replica} of {replicas}"
            yield PlannedChunk(number, 0, source.size_bytes, label=label)


def main() -> None:
    """Runs as a program."""
    partition(plan)


if __name__ == "__main__":
    main()
