"""Asks built-in splitters for their plan: byte ranges of source files found with small reads, instead of a copy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from fanfold.builtin import registry
from fanfold.builtin.planning import InputRefused
from fanfold.errors import BadInput
from fanfold.jobs.models import Job, RangeChunk
from fanfold.pipeline.tools import Plan, Planners
from fanfold.ports.datasource import SourceFile

if TYPE_CHECKING:
    from fanfold.builtin.planning import Plan as BuiltinPlan


class BuiltinPlanners:
    """Plans of built-in splitters over files of this machine."""

    def plan_of(self, job: Job) -> Plan | None:
        """See `pipeline.tools`; a `bypass` source has no bytes to plan over."""
        block = job.blocks.partitioner if job.blocks else None
        if block is None or not block.builtin or job.data_source.descriptor == "bypass":
            return None
        plan = registry.load("partitioner", block.name).plan
        return None if plan is None else partial(_planned, plan)


class _LocalSource:
    """A source file that is read in pieces; open only while it is read."""

    def __init__(self, file: SourceFile) -> None:
        self.name = file.name
        self.size_bytes = file.size_bytes
        self._descriptor = os.open(file.location, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, at most `length`."""
        return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def _planned(plan: BuiltinPlan, files: Sequence[SourceFile], params: Mapping[str, Any]) -> Iterator[RangeChunk]:
    opened: list[_LocalSource] = []
    try:
        for file in files:
            opened.append(_LocalSource(file))  # noqa: PERF401 - those opened before one fails must be closed
        for chunk in plan(opened, params):
            file = files[chunk.source]
            yield RangeChunk(
                file.location, file.etag, chunk.offset, chunk.length, chunk.prefix, chunk.suffix, chunk.label
            )
    except InputRefused as err:
        raise BadInput(str(err)) from err
    except FileNotFoundError as err:
        raise BadInput(f"the input '{err.filename}' is gone") from err
    finally:
        for source in opened:
            source.close()


_fits: type[Planners] = BuiltinPlanners
