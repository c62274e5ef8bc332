"""A runner on a machine that shares nothing with the server but the storage: program, chunk and inputs come to it,
result and log go to rest."""

from __future__ import annotations

import json
import select
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.jobs.chunks import STORED, FileChunk, RangeChunk
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, ProgramFailed, Reason, Succeeded
from fanfold.pipeline.workspace import Workspace
from fanfold.platforms.process import ProcessPlatform
from fanfold.ports.blobs import BlobPlace, Blobs
from fanfold.ports.executor import Input, RunOrder
from fanfold.runner.process_tree import adopt_orphans
from fanfold.runner.run import Run
from fanfold.services.log_files import lines_of, log_of
from tests.conformance.blob_places import Storage, fresh, servers
from tests.gate import Gate, gate

pytestmark = pytest.mark.timeout(120)

COPY = """cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/copy"
echo "INFO chunk $FANFOLD_CHUNK_INDEX"
echo kept >> "$USER_CACHE_DIR/seen"
"""
MERGE = """cat $(ls "$RESULTS_DIR"/*) > "$OUTPUT_DIR/all"
cp "$FANFOLD_RESULTS_INDEX" "$OUTPUT_DIR/index"
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BlobPlace, Gate]]:
    stand_in = servers("s3-stand-in", tmp_path_factory.mktemp("server"))
    with stand_in as place, gate(int(place.endpoint.rpartition(":")[2])) as way:
        yield replace(place, endpoint=f"http://127.0.0.1:{way.port}"), way


class Scene:
    """A server that has a job with a program and a source, and a node."""

    def __init__(self, place: BlobPlace, folder: Path) -> None:
        self.storage = Storage("s3", fresh(place), folder)
        blobs = self.storage.machine("server")
        self.server = Workspace(blobs.root, Effects(), blobs)
        self.job = self.server.job("job")
        self.job.make()
        source = self.job.source / "0"
        source.parent.mkdir()
        source.write_bytes(b"0123456789")
        blobs.take(source)
        self.source = STORED + blobs.address(source)
        for name, program in (("copy", COPY), ("merge", MERGE)):
            folder = self.server.package(f"packages/{name}")
            folder.mkdir(parents=True)
            (folder / "program").write_text(program)
            blobs.keep_program(folder)
            shutil.rmtree(folder)

    def order(self, program: str, key: AttemptKey, **more: object) -> RunOrder:
        address = self.server.blobs.address
        cache = address(self.server.root / "caches" / "user" / "account")
        order = RunOrder(
            key,
            1,
            address(self.job.path),
            address(self.server.scratch),
            address(self.server.package(f"packages/{program}")),
            "program",
            interpreter=("/bin/sh",),
            env={contract.CHUNK_INDEX: str(key.task.index), contract.USER_CACHE_DIR: cache},
        )
        return replace(order, **more)  # type: ignore[arg-type]

    def run_at(self, node: Blobs, order: RunOrder) -> Outcome:
        adopt_orphans()
        platform = ProcessPlatform(Effects(), SteadyClock())
        run = Run(order, platform, Effects(), SteadyClock(), "node", 1.0, blobs=node)
        run.begin()
        if run.running is not None:
            select.select([run.running.ended_fd()], [], [])
            run.on_end()
        else:
            run.clean()
        platform.close()
        assert run.outcome is not None
        return run.outcome


@pytest.fixture
def scene(store: tuple[BlobPlace, Gate], tmp_path: Path) -> Scene:
    return Scene(store[0], tmp_path)


def app(index: int, fence: int = 1) -> AttemptKey:
    return AttemptKey(TaskKey("job", Role.APP, index), fence)


def test_chunks_and_results_go_by_the_storage_alone(scene: Scene) -> None:
    nodes = [scene.storage.machine(name) for name in ("one", "two")]
    chunks = (RangeChunk(scene.source, "", 2, 5, b"<", b">"), RangeChunk(scene.source, "", 0, 0))
    for index, (node, chunk) in enumerate(zip(nodes, chunks, strict=True)):
        order = scene.order("copy", app(index), inputs=(Input(contract.CHUNK_FILE, chunk=chunk),))
        outcome = scene.run_at(node, order)
        assert isinstance(outcome, Succeeded), outcome
        [file] = scene.job.result_files(app(index), outcome.result)
        with scene.server.blobs.open(scene.job.result(app(index)) / file.path) as found:
            assert found.read() == (b"<23456>", b"")[index]
        log = log_of(app(index), scene.job.logs, scene.server.blobs)
        assert log is not None
        assert [line.text for line in lines_of(log)] == [f"INFO chunk {index}"]
        assert (node.root / "caches" / "user" / "account" / "seen").read_text() == "kept\n"
        assert not list((node.root / "scratch").glob("*/*/*"))
    rows = [{"name": f"{index}", "location": f"results/app-{index}.1/copy"} for index in range(2)]
    scene.job.write_lines(scene.job.merge_inputs, rows)
    with scene.server.blobs.new(scene.job.merge_index) as index_file:
        index_file.write(json.dumps({"files": []}).encode())
    merge = AttemptKey(TaskKey("job", Role.ASSEMBLER, 0), 1)
    address = scene.server.blobs.address
    order = scene.order("merge", merge, inputs_file=address(scene.job.merge_inputs))
    order = replace(order, env={**order.env, contract.RESULTS_INDEX: address(scene.job.merge_index)})
    outcome = scene.run_at(nodes[1], order)
    assert isinstance(outcome, Succeeded), outcome
    with scene.server.blobs.open(scene.job.result(merge) / "all") as found:
        assert found.read() == b"<23456>"


def test_a_chunk_that_is_gone_or_short_is_told(scene: Scene) -> None:
    for chunk, said in (
        (FileChunk("results/partitioner-0.1/data_0.bin", 5), "cannot be read any more"),
        (RangeChunk(scene.source, "", 8, 5), "ends after 10 bytes"),
    ):
        order = scene.order("copy", app(0), inputs=(Input(contract.CHUNK_FILE, chunk=chunk),))
        outcome = scene.run_at(scene.storage.machine("node"), order)
        assert isinstance(outcome, ProgramFailed)
        assert (outcome.reason, outcome.final) == (Reason.CHUNK_CHANGED, True)
        assert said in outcome.message


def test_an_attempt_whose_storage_stays_away_is_given_back(scene: Scene, store: tuple[BlobPlace, Gate]) -> None:
    node = scene.storage.machine("node", patience_s=1.0)
    order = scene.order("copy", app(0), inputs=(Input(contract.CHUNK_FILE, chunk=RangeChunk(scene.source, "", 0, 5)),))
    store[1].shut()
    try:
        assert isinstance(scene.run_at(node, order), GivenBack)
    finally:
        store[1].open()
    assert isinstance(scene.run_at(node, replace(order, attempt=app(0, 2))), Succeeded)
