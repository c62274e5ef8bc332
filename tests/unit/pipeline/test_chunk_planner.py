"""Plans of drafts: what becomes of one whose draft goes on meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.datasources.local import LocalFolder
from fanfold.effects import Effects
from fanfold.errors import NotAllowedNow
from fanfold.jobs.models import DataRef
from fanfold.pipeline.chunk_planner import SplitterPlans
from fanfold.pipeline.planners import BuiltinPlanners
from fanfold.pipeline.tools import Tools
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.datasource import SourceFile, Staging
from fanfold.ports.executor import Offer
from fanfold.stores.sqlite import SqliteStore
from tests.values import BLOCKS, a_job


def test_a_slow_plan_leaves_the_input_of_a_run_that_began_meanwhile(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("a line\n")
    blocks = replace(BLOCKS, partitioner=replace(BLOCKS.partitioner, name="split-lines", builtin=True))
    job = replace(a_job(blocks=blocks), data_source=DataRef("local", {"path": str(text)}))
    store, workspace = SqliteStore(None, Effects()), Workspace(tmp_path / "state", Effects())
    store.insert_job(job, "ann")
    folder = workspace.job(job.id)
    folder.make()

    class Overtaken(LocalFolder):
        """While it is listed for the plan, the job is planned once more, then run and its input listed."""

        def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
            yield from super().list_source(ref, staging)
            with pytest.raises(NotAllowedNow, match="is being planned already"):
                plans.plan(job)
            folder.write_lines(folder.source_list, ["of the run"])

    def sources(_ref: DataRef) -> LocalFolder:
        return Overtaken(Effects())

    planners = BuiltinPlanners(sources)
    tools = Tools(
        store, workspace, SteadyClock(), sources, planners, offer=lambda _need: Offer(1), stopping=lambda: False
    )
    plans = SplitterPlans(tools)
    assert plans.plan(job).count == 1
    assert list(folder.read_lines(folder.source_list)) == ["of the run"]
    store.close()
