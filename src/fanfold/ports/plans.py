"""Plans: what chunks a draft would make, with nothing run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fanfold.jobs.models import Job


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """One chunk: the file it is of, where it begins there, and its size as its app sees it."""

    index: int
    label: str
    file: str
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """All chunks in numbers, and the first of them. `histogram` counts chunks by the next power of two of their bytes;
    sizes are of the chunks, so a header that is repeated in each counts in each."""

    files: int
    source_bytes: int
    count: int
    size_bytes: int
    smallest_bytes: int
    largest_bytes: int
    histogram: Mapping[int, int]
    first: tuple[PlannedChunk, ...]


class ChunkPlanner(Protocol):
    """Makes plans."""

    def plan(self, job: Job) -> ChunkPlan:
        """The chunks of a draft whose blocks are pinned. Raises BadInput where there can be none, NotAllowedNow where
        its partitioner is a program that would have to be run, Unavailable where that takes too long."""
