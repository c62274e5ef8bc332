"""Plans of built-in splitters: over files that are gone by then, and over no source at all."""

from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.contract import BYPASS_FILE
from fanfold.jobs.models import DataRef, PinnedBlock
from fanfold.pipeline.planners import BuiltinPlanners
from fanfold.ports.datasource import SourceFile
from fanfold.wiring import local_sources
from tests.values import BLOCKS, a_job


def test_a_file_that_is_gone_is_told_to_who_gave_it(tmp_path: Path) -> None:
    opened = BuiltinPlanners(local_sources(Effects())).reader(DataRef("local", {"path": str(tmp_path)}))
    with pytest.raises(BadInput, match="gone' is gone"):
        opened(SourceFile("gone", str(tmp_path / "gone"), 1, "tag"))


def over_nothing(name: str, **params: object) -> list[RangeChunk]:
    """What the built-in partitioner plans where there is no source."""
    block = PinnedBlock(name, name, "0.1", 1, "0" * 64, "", True, {})
    job = a_job(blocks=replace(BLOCKS, partitioner=block), data_source=DataRef("bypass"))
    plan = BuiltinPlanners(local_sources(Effects())).plan_of(job)
    assert plan is not None
    return list(plan([], params))


def test_without_a_source_the_plan_is_what_the_program_makes_of_one_empty_file() -> None:
    assert over_nothing("passthrough") == [RangeChunk("", "", 0, 0, label=BYPASS_FILE)]
    labels = [f"{BYPASS_FILE} replica {number} of 3" for number in (1, 2, 3)]
    assert [chunk.label for chunk in over_nothing("replicate", num_replicas=3)] == labels
    for name in ("split-lines", "split-bytes", "split-csv", "split-json"):
        assert over_nothing(name) == []


def test_without_a_source_params_are_refused_as_the_program_would() -> None:
    with pytest.raises(BadInput, match='param "num_replicas" is missing'):
        over_nothing("replicate")
