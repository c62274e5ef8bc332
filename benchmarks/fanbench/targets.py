"""What Fanfold wants to reach, and whether it did."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanbench.rounds import Record

MIB = 1024 * 1024
BESIDE = (
    ("w1", "fanfold", "parallel", 1 / 4),
    ("w1", "reentrant", "ray", 1.0),
    ("w1", "reentrant", "dask", 1.0),
    ("w2", "fanfold", "parallel", 1 / 15),
    ("w3", "fanfold", "xargs", 1.2),
    ("w4", "fanfold", "pool", 1.05),
)
"""Workload, peer, the one it is measured beside, and the most of that one's time that it may take."""


@dataclass(frozen=True, slots=True)
class Target:
    """One aim: the reached value is at most the limit."""

    what: str
    limit: float
    reached: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.reached <= self.limit


def ratio(records: Sequence[Record], peer: str, reference: str) -> float | None:
    """The median over the rounds of a peer's time through the reference's time of the same round."""
    times = {(record.peer, record.round): record.usage.wall_s for record in records if not record.problem}
    rounds = {turn for name, turn in times if name == peer} & {turn for name, turn in times if name == reference}
    return statistics.median(times[peer, turn] / times[reference, turn] for turn in rounds) if rounds else None


def peer_targets(workload: str, records: Sequence[Record]) -> Iterator[Target]:
    """The targets beside other tools, as parts of their time."""
    for name, peer, reference, limit in BESIDE:
        reached = ratio(records, peer, reference) if workload == name else None
        if reached is not None:
            who = "" if peer == "fanfold" else f", {peer} app"
            yield Target(f"{workload.upper()}{who}: time beside {reference}", limit, reached, "x")


def growth_targets(records: Sequence[Record]) -> Iterator[Target]:
    """The targets of W5: coordinator memory and time a chunk as the number of chunks grows."""
    own = [record for record in records if record.peer == "fanfold" and not record.problem]
    sizes = sorted({record.chunks for record in own})
    if len(sizes) < 2:
        return
    memory = {size: coordinator_mib(own, size) for size in sizes}
    least, most, before = sizes[0], sizes[-1], sizes[-2]
    growth = memory[most] - memory[least]
    yield Target(f"W5: coordinator memory, growth from {least:,} to {most:,} chunks", 100, growth, "MiB")
    times = {size: ms_a_chunk(own, size) for size in (before, most)}
    yield Target(f"W5: time a chunk at {most:,} beside {before:,}", 1.5, times[most] / times[before], "x")


def coordinator_mib(records: Sequence[Record], chunks: int) -> float:
    """The median peak of the coordinator's memory at this many chunks."""
    found = [record.usage.coordinator_rss_bytes for record in records if record.chunks == chunks]
    return statistics.median(found) / MIB


def ms_a_chunk(records: Sequence[Record], chunks: int) -> float:
    """The median wall time a chunk at this many chunks, in milliseconds."""
    found = [record.usage.wall_s for record in records if record.chunks == chunks]
    return 1000 * statistics.median(found) / chunks
