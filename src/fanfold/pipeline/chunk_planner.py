"""Plans of drafts: their input is listed and brought within reach as for a run, and their splitter asked for chunks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fanfold.errors import NotAllowedNow, Unavailable
from fanfold.jobs.chunks import REMOTE, RangeChunk
from fanfold.jobs.models import Job
from fanfold.pipeline.fetch import check_content, listed
from fanfold.pipeline.partition import counted
from fanfold.pipeline.tools import Plan, Tools
from fanfold.ports.datasource import SourceFile
from fanfold.ports.plans import ChunkPlan, ChunkPlanner, PlannedChunk

WITHIN_S = 120.0
SHOWN = 20


class SplitterPlans:
    """Asks built-in splitters."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    def plan(self, job: Job) -> ChunkPlan:
        """See `ports.plans`."""
        plan = self._tools.planners.plan_of(job)
        if plan is None:
            tag = job.tags.partitioner
            said = f"the partitioner '{tag}' is a program that would have to be run to know its chunks"
            raise NotAllowedNow(f"{said}; run a sample of the job instead (config.sample)")
        with self._alone(job):
            return self._planned(job, plan)

    @contextmanager
    def _alone(self, job: Job) -> Iterator[None]:
        """One plan of a job at a time, since all of them write the same list."""
        with self._lock:
            if job.id in self._under_way:
                raise NotAllowedNow(f"job '{job.id}' is being planned already; ask again when that is done")
            self._under_way.add(job.id)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(job.id)

    def _planned(self, job: Job, plan: Plan) -> ChunkPlan:
        over, folder = self._deadline(), self._tools.workspace.job(job.id)
        seen = listed(job, self._tools, over, folder.draft_list)
        check_content(job, seen)
        sources = [SourceFile(**row) for row in folder.read_lines(folder.draft_list)]
        chunks = _until(over, counted(plan(sources, job.params.partitioner), job.config.max_chunks))
        return _summed(sources, chunks)

    def _deadline(self) -> Callable[[], bool]:
        until = self._tools.clock.monotonic() + WITHIN_S

        def over() -> bool:
            return self._tools.stopping() or self._tools.clock.monotonic() > until

        return over


def _until(over: Callable[[], bool], chunks: Iterator[RangeChunk]) -> Iterator[RangeChunk]:
    for chunk in chunks:
        if over():
            raise Unavailable(f"the chunks are not known after {WITHIN_S:g} s; run the job, or a sample of it")
        yield chunk


def _summed(sources: list[SourceFile], chunks: Iterator[RangeChunk]) -> ChunkPlan:
    names = {source.location: source.name for source in sources}
    sizes: Counter[int] = Counter()
    first: list[PlannedChunk] = []
    count = total = largest = 0
    smallest = -1
    for chunk in chunks:
        size = chunk.size_bytes
        if len(first) < SHOWN:
            file = names.get(chunk.location) or Path(chunk.location.removeprefix(REMOTE)).name
            first.append(PlannedChunk(count, chunk.label, file, chunk.offset, size))
        count, total, largest = count + 1, total + size, max(largest, size)
        smallest = size if smallest < 0 else min(smallest, size)
        sizes[1 << max(0, size - 1).bit_length()] += 1
    source_bytes = sum(source.size_bytes for source in sources)
    histogram = dict(sorted(sizes.items()))
    return ChunkPlan(len(sources), source_bytes, count, total, max(0, smallest), largest, histogram, tuple(first))


_fits: type[ChunkPlanner] = SplitterPlans
