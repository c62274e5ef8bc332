"""Results get their names; where the assembler would only hand them on they are the output at once."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.jobs.lifecycle import Failed, OutputMerged, ResultsSettled, TasksEnded
from fanfold.jobs.models import DataRef, Job, JobParams, PinnedBlock, Role, Task, TaskKey, TaskState, Usage
from fanfold.jobs.task_lifecycle import Succeeded, after_attempt
from fanfold.pipeline.assemble import MOST_HELD, assemble, settle
from fanfold.pipeline.planners import BuiltinPlanners
from fanfold.pipeline.tools import StageResult, Tools
from fanfold.pipeline.walk import walked
from fanfold.ports.store import Finished
from fanfold.wiring import local_sources
from tests.shelf import Shelf
from tests.unit.runner.publishing import stage_out
from tests.values import BLOCKS, ROAD, a_task, after

PASSTHROUGH = PinnedBlock("passthrough", "passthrough", "0.1", 1, "0" * 64, "", True, {})
Results = list[Mapping[str, bytes]]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.store.close()


def tools_of(shelf: Shelf, **more: Any) -> Tools:
    sources = local_sources(Effects())
    return Tools(
        store=shelf.store,
        workspace=shelf.workspace,
        clock=shelf.clock,
        sources=sources,
        planners=BuiltinPlanners(sources),
        offer=lambda _: pytest.fail("nobody needs a runner"),
        stopping=lambda: False,
        **more,
    )


def with_results(shelf: Shelf, results: Results, **fields: Any) -> Job:
    """A job whose chunks have left these files."""
    shelf.drafted(**fields)
    for event in ROAD[:4]:
        if event is ROAD[3]:
            shelf.stepped(
                "job", replace(event, num_chunks=len(results)), tasks=[a_task(i) for i in range(len(results))]
            )
        else:
            shelf.stepped("job", event)
    folder = shelf.workspace.job("job")
    folder.make()
    folder.write_lines(folder.source_list, ())
    for task in shelf.store.claim("job", len(results), after(0), after(15)):
        made = shelf.root / "made"
        for name, data in results[task.key.index].items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(data)
        made.mkdir(exist_ok=True)
        manifest = stage_out(made, folder.result(task.attempt_key), folder.blobs, hashed=True)
        won = Succeeded(task.attempt_key, after(1), Usage(), after(0), "local-1", result=manifest)
        shelf.store.finish([Finished(task, after_attempt(task, won, 3), won)])
    return shelf.stepped("job", TasksEnded(len(results), 0))


def by(job: Job, assembler: PinnedBlock) -> Job:
    return replace(job, blocks=replace(BLOCKS, assembler=assembler))


def opened(result: StageResult) -> Task:
    assert isinstance(result.event, ResultsSettled)
    [task] = result.tasks
    return task


def output(shelf: Shelf, task: Task) -> dict[str, bytes]:
    """What the assembler's result holds, by name; it must be what its manifest says."""
    folder = shelf.workspace.job("job")
    published = folder.result(task.attempt_key)
    found = {path.relative_to(published).as_posix(): path for path in published.rglob("*") if path.is_file()}
    assert task.result is not None
    assert [(file.path, file.size_bytes) for file in folder.result_files(task.attempt_key, task.result)] == sorted(
        (name, path.stat().st_size) for name, path in found.items()
    )
    return {name: path.read_bytes() for name, path in found.items()}


@pytest.mark.parametrize(
    "results",
    [
        [],
        [{}],
        [{"a": b"1", "b/c/d": b"2"}],
        [{"out.txt": b"0", "own": b""}, {"out.txt": b"1", "deep/out.txt": b"2"}, {"deep/out.txt": b"3"}],
    ],
)
def test_results_that_are_the_output_have_the_names_the_assembler_would_see(shelf: Shelf, results: Results) -> None:
    job, tools = with_results(shelf, results), tools_of(shelf)
    program = opened(settle(by(job, replace(PASSTHROUGH, builtin=False)), tools))
    folder = shelf.workspace.job("job")
    inputs = {
        row["name"]: (folder.path / row["location"]).read_bytes() for row in folder.read_lines(folder.merge_inputs)
    }
    index = json.loads(folder.merge_index.read_text())
    assert {row["path"] for row in index["files"]} == set(inputs)
    shutil.rmtree(folder.path / "merge")
    linked = opened(settle(by(job, PASSTHROUGH), tools))
    assert (program.state, linked.state, linked.block) == (
        TaskState.SCHEDULED,
        TaskState.COMPLETED,
        PASSTHROUGH.release,
    )
    assert linked.result_key == program.result_key
    assert output(shelf, linked) == inputs
    assert not folder.merge_index.exists()


def test_an_assembler_that_is_given_params_is_run(shelf: Shelf) -> None:
    job = with_results(shelf, [{"a": b"1"}], params=JobParams(assembler={"more": 1}))
    assert opened(settle(by(job, PASSTHROUGH), tools_of(shelf))).state is TaskState.SCHEDULED


def test_an_output_that_is_given_away_is_made_by_the_program(shelf: Shelf) -> None:
    job = with_results(shelf, [{"a": b"1"}], data_destination=DataRef("local", {"path": str(shelf.root / "out")}))
    assert opened(settle(by(job, PASSTHROUGH), tools_of(shelf))).state is TaskState.SCHEDULED


def test_more_files_than_are_held_are_handed_on_by_the_program(shelf: Shelf) -> None:
    job = with_results(shelf, [{f"{number}": b"" for number in range(MOST_HELD + 1)}])
    assert opened(settle(by(job, PASSTHROUGH), tools_of(shelf))).state is TaskState.SCHEDULED
    folder = shelf.workspace.job("job")
    assert len(list(folder.read_lines(folder.merge_inputs))) == MOST_HELD + 1


def test_what_an_earlier_try_left_is_not_in_the_output(shelf: Shelf) -> None:
    job, tools = by(with_results(shelf, [{"a": b"1"}]), PASSTHROUGH), tools_of(shelf)
    folder = shelf.workspace.job("job")
    for place in (folder.path / "merge" / "output", folder.path / "results" / "assembler-0.1"):
        (place / "left").mkdir(parents=True)
    assert output(shelf, opened(settle(job, tools))) == {"a": b"1"}
    assert output(shelf, opened(settle(job, tools))) == {"a": b"1"}


def test_a_result_that_is_gone_fails_the_job_in_words(shelf: Shelf) -> None:
    job = by(with_results(shelf, [{"a": b"1"}]), PASSTHROUGH)
    shutil.rmtree(shelf.workspace.job("job").result(shelf.store.task(TaskKey("job", Role.APP, 0)).attempt_key))
    event = settle(job, tools_of(shelf)).event
    assert isinstance(event, Failed)
    assert (event.reason, "'a' is gone" in event.message) == ("chunk_changed", True)


def test_stages_that_take_but_a_moment_are_walked_through_together(shelf: Shelf) -> None:
    job = by(with_results(shelf, [{"a": b"1"}]), PASSTHROUGH)
    steps = walked(job, tools_of(shelf))
    assert [type(one.event).__name__ for one in steps] == [
        "ResultsSettled",
        "OutputMerged",
        "DeliveryBegan",
        "Delivered",
    ]
    assert [one.before for one in steps[1:]] == [one.after for one in steps[:-1]]


def test_a_stage_that_took_longer_is_written_before_the_next_begins(shelf: Shelf) -> None:
    job = by(with_results(shelf, [{"a": b"1"}]), PASSTHROUGH)
    [alone] = walked(job, tools_of(shelf, ahead_s=-1.0))
    assert isinstance(alone.event, ResultsSettled)
    written = by(shelf.store.advance(alone), PASSTHROUGH)
    merged = assemble(written, tools_of(shelf))
    assert merged is not None
    assert isinstance(merged.event, OutputMerged)


def test_a_stage_that_breaks_leaves_what_was_done_before_it_and_says_so_as_the_first(shelf: Shelf) -> None:
    job = by(with_results(shelf, [{"a": b"1"}]), PASSTHROUGH)
    shelf.workspace.job("job").source_list.unlink()
    [settled] = walked(job, tools_of(shelf))
    assert isinstance(settled.event, ResultsSettled)
    written = by(shelf.store.advance(settled), PASSTHROUGH)
    with pytest.raises(FileNotFoundError):
        walked(written, tools_of(shelf))
