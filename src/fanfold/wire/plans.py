"""Shapes of plans."""

from __future__ import annotations

from fanfold.wire.base import Shape


class PlannedChunk(Shape):
    """One chunk: the file it is of, where it begins there, and its bytes as its app sees them."""

    index: int
    label: str
    file: str
    offset: int
    size: int


class SizeCount(Shape):
    """How many chunks have at most so many bytes, and more than half of that."""

    up_to: int
    count: int


class PlanEstimate(Shape):
    """Seconds from the start of the first chunk to the end of the last, and of all programs together, from low to high;
    learned from so many chunks of earlier jobs."""

    seconds_low: float
    seconds_high: float
    program_seconds_low: float
    program_seconds_high: float
    learned_from: int


class PlanAnswer(Shape):
    """What chunks a draft makes. `estimate` is null where its app has not been run before."""

    files: int
    source_size: int
    count: int
    size: int
    smallest: int
    largest: int
    histogram: list[SizeCount]
    first: list[PlannedChunk]
    estimate: PlanEstimate | None = None
