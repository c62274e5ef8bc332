"""What is told beside an output is written chunk by chunk: memory does not grow with their number."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.models import Job, ResultFile, ResultManifest, Role, Task, TaskKey, Usage
from fanfold.jobs.task_lifecycle import ProgramFailed, Succeeded, after_attempt
from fanfold.pipeline.planners import BuiltinPlanners
from fanfold.pipeline.records import write_records
from fanfold.pipeline.tools import Tools
from fanfold.ports.store import Finished
from tests.shelf import Shelf
from tests.values import NOON, ROAD, a_task, after

BATCH = 500
MOST_BYTES = 8 * 1024 * 1024
FAILS_EACH = 50


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.store.close()


def a_chunk(index: int) -> RangeChunk:
    return RangeChunk(
        f"/in/{index // 100}", "tag", index % 100 * 10, 10, label=f"file {index // 100} row {index % 100}"
    )


def merging(shelf: Shelf, count: int) -> tuple[Job, Task]:
    """A job whose chunks have ended, one in fifty badly, and whose assembler is done."""
    shelf.drafted()
    folder = shelf.workspace.job("job")
    folder.make()
    rows = ({"name": f"{number}.txt", "location": f"/in/{number}"} for number in range(count // 100 + 1))
    folder.write_lines(folder.source_list, rows)
    tasks = (Task(TaskKey("job", Role.APP, index), NOON, a_chunk(index), due_at=NOON) for index in range(count))
    for event in ROAD[:4]:
        shelf.stepped("job", event, tasks=tasks if event is ROAD[3] else ())
    result = ResultManifest(1, 3, (ResultFile("out.txt", 3, "0" * 64),))
    while claimed := shelf.store.claim("job", BATCH, NOON, after(15)):
        shelf.store.finish([_ended(task, result) for task in claimed])
    shelf.stepped("job", type(ROAD[4])(count - count // FAILS_EACH, count // FAILS_EACH))
    job = shelf.stepped("job", ROAD[5], tasks=[a_task(0, "job", Role.ASSEMBLER)])
    [merger] = shelf.store.claim("job", 1, NOON, after(15))
    ended = _ended(merger, result)
    shelf.store.finish([ended])
    return job, ended.after


def _ended(task: Task, result: ResultManifest) -> Finished:
    key = task.attempt_key
    if task.key.role is Role.APP and task.key.index % FAILS_EACH == FAILS_EACH - 1:
        failed = ProgramFailed(key, NOON, runner="local-1", message="exit code 3", exit_code=3, final=True)
        return Finished(task, after_attempt(task, failed, 3), failed)
    won = Succeeded(key, NOON, Usage(), NOON, "local-1", result=result)
    return Finished(task, after_attempt(task, won, 3), won)


@pytest.mark.parametrize("count", [3000, pytest.param(100_000, marks=[pytest.mark.heavy, pytest.mark.timeout(600)])])
def test_records_of_any_number_of_chunks_take_little_memory(shelf: Shelf, count: int) -> None:
    job, merger = merging(shelf, count)
    tools = Tools(
        store=shelf.store,
        workspace=shelf.workspace,
        clock=shelf.clock,
        sources=lambda ref: pytest.fail(f"nobody needs {ref}"),
        planners=BuiltinPlanners(lambda ref: pytest.fail(f"nobody needs {ref}")),
        offer=lambda _: pytest.fail("nobody needs a runner"),
        stopping=lambda: False,
    )
    tracemalloc.start()
    try:
        records, warnings = write_records(job, tools, merger)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (peak < MOST_BYTES, warnings) == (True, ()), peak
    folder = shelf.workspace.job("job").records
    assert [(file.path, file.size_bytes) for file in records] == [
        (name, (folder / name).stat().st_size) for name in ("provenance.json", "failed.jsonl")
    ]
    chunks = json.loads((folder / "provenance.json").read_bytes())["chunks"]
    assert len(chunks) == count
    assert {row["source"]["file"] == f"{row['chunk'] // 100}.txt" for row in chunks} == {True}
    assert len((folder / "failed.jsonl").read_text().splitlines()) == count // FAILS_EACH
    assert write_records(job, tools, merger) == (records, ())
