"""What every executor promises: every order ends in one outcome, whatever its program or its runner does."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fanfold.blobs.files import FileBlobs
from fanfold.clocks import SteadyClock
from fanfold.effects import Effects, etag_of
from fanfold.executors.ray_cluster import TrialCluster
from fanfold.jobs.chunks import FileChunk, RangeChunk
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, ProgramFailed, Reason, RunnerLost, Succeeded
from fanfold.ports.executor import Executor, Input, Report, RunOrder, Told
from fanfold.registry import EXECUTORS, load
from fanfold.services.log_files import lines_of, log_of
from fanfold.signals import ThreadSignal
from tests.pace import patience, promised

SLOTS = 2
GRACE_S = 0.2
DEADLINE_S = 60.0

COPY = 'cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/out.bin"'
FOR_EVER = 'trap "" TERM; echo $$ > "$TASK_RESULTS_DIR/../pid"; while :; do sleep 1; done'


class Bench:
    """An executor with a job's folder, and a way to wait for what it says."""

    def __init__(self, name: str, tmp_path: Path, slots: int = SLOTS, **where: object) -> None:
        self.wake = ThreadSignal()
        self.clock = SteadyClock()
        self.folder = tmp_path / "job"
        self.scratch = tmp_path / "scratch"
        for part in ("results", "logs"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        made: Callable[..., Executor] = load(EXECUTORS, name, "executor")
        self.executor = made(slots, Effects(), self.clock, self.wake, GRACE_S, **where)
        self.heard: list[Report] = []
        self.closed = False

    def order(self, script: str, index: int = 0, fence: int = 1, **fields: object) -> RunOrder:
        """An order that runs a shell script as an app."""
        key = AttemptKey(TaskKey("job", Role.APP, index), fence)
        package = self.folder.parent / f"block-{index}-{fence}"
        package.mkdir()
        (package / "main.sh").write_text(script)
        (self.folder / "chunk").write_bytes(b"0123456789")
        inputs = (Input("data.bin", chunk=FileChunk("chunk", 10)),)
        env = {"FANFOLD_JOB_ID": "job"}
        plain = {"interpreter": ("/bin/sh",), "inputs": inputs, "env": env, "timeout_s": patience(60.0)} | fields
        return RunOrder(key, 1, str(self.folder), str(self.scratch), str(package), "main.sh", **plain)

    def until(self, done: Callable[[], bool]) -> None:
        """Collect reports until something is true; fails after a while."""
        deadline = self.clock.monotonic() + DEADLINE_S
        self.heard += self.executor.collect()
        while not done():
            assert self.clock.monotonic() < deadline, f"heard only {self.heard}"
            self.wake.wait(0.05)
            self.heard += self.executor.collect()

    def outcomes(self, count: int = 1) -> list[Outcome]:
        """The next outcomes, `count` of them in all."""
        self.until(lambda: len(self._ended()) >= count)
        return self._ended()

    def _ended(self) -> list[Outcome]:
        return [report for report in self.heard if not isinstance(report, Told)]

    def outcome(self, script: str, **fields: object) -> Outcome:
        self.executor.start([self.order(script, **fields)])
        return self.outcomes()[0]

    def started(self, order: RunOrder) -> int:
        """Start an order whose script writes its pid, and wait until it did; the pid."""
        self.executor.start([order])
        self.until(lambda: (file := self.made(order, "pid")) is not None and file.read_text().endswith("\n"))
        return int(self.found(order, "pid").read_text())

    def made(self, order: RunOrder, name: str) -> Path | None:
        """A file of an attempt's folder, if it is there."""
        return next(self.scratch.glob(f"*/*/job.{order.attempt.name}/{name}"), None)

    def found(self, order: RunOrder, name: str) -> Path:
        file = self.made(order, name)
        assert file is not None
        return file

    def runner_of(self, order: RunOrder) -> dict[str, Any]:
        """The runner that works on it, once it is told."""
        found: list[dict[str, Any]] = []

        def told() -> bool:
            found[:] = [row for row in self.executor.runners() if row["attempt"] == order.attempt.name]
            return bool(found)

        self.until(told)
        return found[0]

    def close(self, drain_s: float = 0.0) -> None:
        if not self.closed:
            self.closed = True
            self.executor.close(drain_s)


@pytest.fixture(
    params=["local", pytest.param("ray", marks=[pytest.mark.needs(module="ray"), pytest.mark.timeout(180)])]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench("local", tmp_path) if request.param == "local" else on_ray(request, tmp_path)
    yield made
    made.close()
    assert [path for path in made.scratch.rglob("*") if path.is_file()] == []


def on_ray(request: pytest.FixtureRequest, place: Path) -> Bench:
    """On the cluster that all tests share, in a namespace of its own."""
    from fanfold.executors.ray_placing import RayPlace

    cluster: TrialCluster = request.getfixturevalue("ray_cluster")
    return Bench("ray", place, place=RayPlace(cluster.address, place.name, str(cluster.token_file)))


def gone(pid: int) -> bool:
    """Whether a process has ended, the last breath of a zombie counted as its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_program_that_ends_well_has_its_result_published(bench: Bench) -> None:
    outcome = bench.outcome(COPY)
    assert isinstance(outcome, Succeeded)
    (file,) = outcome.result.files or ()
    assert (file.path, file.size_bytes, len(file.sha256)) == ("out.bin", 10, 64)
    assert (bench.folder / "results" / "app-0.1" / "out.bin").read_bytes() == b"0123456789"
    assert (outcome.usage.bytes_in, outcome.usage.bytes_out) == (10, 10)
    assert outcome.usage.max_memory_bytes > 0
    assert re.fullmatch(r"(no )?sandbox, (no cgroup|cgroup v[12])", outcome.usage.isolation)
    assert outcome.started_at is not None
    assert outcome.started_at <= outcome.at
    assert outcome.runner


def test_a_program_sees_the_contract_and_nothing_of_the_server(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANFOLD_CANARY", "secret")
    outcome = bench.outcome(
        'env > "$TASK_RESULTS_DIR/env"; cat "$FANFOLD_PARAMS_FILE" >> "$TASK_RESULTS_DIR/env"', params='{"a": 1}'
    )
    assert isinstance(outcome, Succeeded)
    told = (bench.folder / "results" / "app-0.1" / "env").read_text()
    names = {line.partition("=")[0] for line in told.splitlines() if "=" in line}
    assert {"TASK_DIR", "TASK_RESULTS_DIR", "APP_PARAMS", "FANFOLD_JOB_ID", "HOME", "TMPDIR", "PATH"} <= names
    assert "FANFOLD_CANARY" not in names
    assert told.endswith('{"a": 1}')


def test_a_chunk_that_is_a_range_comes_with_its_prefix_and_suffix(bench: Bench, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"head\n" + b"abcdefgh")
    chunk = RangeChunk(str(source), etag_of(source.stat()), 7, 3, b"head\n", b"!")
    outcome = bench.outcome(COPY, inputs=(Input("data.bin", chunk=chunk),))
    assert isinstance(outcome, Succeeded)
    assert (bench.folder / "results" / "app-0.1" / "out.bin").read_bytes() == b"head\ncde!"


@pytest.mark.parametrize(
    ("script", "reason", "code", "said"),
    [
        ("echo no such word >&2; exit 7", Reason.EXIT_CODE, 7, "exit code 7: no such word"),
        ("kill -9 $$", Reason.KILLED, None, "killed by signal SIGKILL"),
        ("ln -s /etc/hostname $TASK_RESULTS_DIR/link", Reason.BAD_RESULT, 0, "'link'"),
        ("rm -r $TASK_RESULTS_DIR", Reason.BAD_RESULT, 0, "the result cannot be taken"),
    ],
)
def test_a_program_that_fails_has_its_reason(bench: Bench, script: str, reason: Reason, code: int, said: str) -> None:
    outcome = bench.outcome(script)
    assert isinstance(outcome, ProgramFailed)
    assert (outcome.reason, outcome.exit_code, outcome.final) == (reason, code, False)
    assert said in outcome.message
    assert os.listdir(bench.folder / "results") == []


def test_a_program_that_cannot_be_started_has_failed_for_good(bench: Bench) -> None:
    outcome = bench.outcome("", interpreter=("/no/such/interpreter",))
    assert isinstance(outcome, ProgramFailed)
    assert (outcome.reason, outcome.final) == (Reason.CANNOT_START, True)


def test_a_chunk_that_changed_has_failed_for_good(bench: Bench) -> None:
    outcome = bench.outcome(COPY, inputs=(Input("data.bin", chunk=FileChunk("chunk", 11)),))
    assert isinstance(outcome, ProgramFailed)
    assert (outcome.reason, outcome.final) == (Reason.CHUNK_CHANGED, True)


def test_a_chunk_that_is_gone_is_named_and_not_the_program(bench: Bench) -> None:
    outcome = bench.outcome(COPY, inputs=(Input("data.bin", chunk=FileChunk("nowhere", 10)),))
    assert isinstance(outcome, ProgramFailed)
    assert (outcome.reason, "'nowhere'" in outcome.message) == (Reason.CHUNK_CHANGED, True)


def test_a_program_that_ignores_its_time_limit_is_killed(bench: Bench) -> None:
    order = bench.order(FOR_EVER, timeout_s=3.0)
    pid = bench.started(order)
    (outcome,) = bench.outcomes()
    assert isinstance(outcome, ProgramFailed)
    assert (outcome.reason, "3 s" in outcome.message) == (Reason.TIMED_OUT, True)
    assert gone(pid)


def test_a_cancelled_run_ends_with_all_its_processes(bench: Bench) -> None:
    script = f'setsid sh -c \'trap "" TERM; while :; do sleep 1; done\' & echo $! > "$TASK_DIR/../stray"; {FOR_EVER}'
    order = bench.order(script)
    pid = bench.started(order)
    stray = int(bench.found(order, "stray").read_text())
    bench.executor.cancel([order.attempt])
    bench.executor.cancel([order.attempt])
    bench.until(lambda: gone(pid) and gone(stray))
    bench.until(lambda: not bench.executor.alive())
    assert os.listdir(bench.folder / "results") == []


def test_cancelling_what_waits_or_is_unknown_disturbs_nobody(bench: Bench) -> None:
    running = [bench.order(FOR_EVER, index) for index in range(SLOTS)]
    pids = [bench.started(order) for order in running]
    waiting = bench.order(COPY, 8)
    bench.executor.start([waiting])
    bench.executor.cancel([waiting.attempt, AttemptKey(TaskKey("nobody", Role.APP, 0), 1)])
    bench.until(lambda: waiting.attempt not in bench.executor.alive())
    assert not any(gone(pid) for pid in pids)
    bench.executor.cancel([order.attempt for order in running])
    bench.until(lambda: all(gone(pid) for pid in pids))
    assert not isinstance(bench.outcome(COPY, index=9), ProgramFailed)


def test_a_runner_that_is_killed_is_told_as_lost_and_replaced(bench: Bench) -> None:
    order = bench.order(FOR_EVER)
    pid = bench.started(order)
    runner = bench.runner_of(order)
    os.kill(runner["pid"], signal.SIGKILL)
    (outcome,) = bench.outcomes()
    assert isinstance(outcome, RunnerLost)
    assert (outcome.attempt, outcome.runner) == (order.attempt, runner["name"])
    bench.until(lambda: gone(pid))
    bench.executor.start([bench.order(COPY, index, fence=2) for index in range(3)])
    assert all(isinstance(item, Succeeded) for item in bench.outcomes(4)[1:])
    Effects().remove_tree(bench.scratch)


def test_what_was_printed_outlives_the_runner_within_a_second(bench: Bench) -> None:
    order = bench.order('echo one; printf "two, without an end"; exec sleep 60')
    bench.executor.start([order])
    bench.until((bench.folder / "logs" / "app-0.1.open").exists)
    os.kill(bench.runner_of(order)["pid"], signal.SIGKILL)
    bench.outcomes()
    log = log_of(order.attempt, bench.folder / "logs", FileBlobs(Effects()))
    assert log is not None
    lines = list(lines_of(log, unfinished=True))
    assert [line.text for line in lines] == ["one", "two, without an end"]
    assert (lines[1].at - lines[0].at).total_seconds() < promised(1.0)


def test_more_orders_than_slots_all_end(bench: Bench) -> None:
    bench.executor.start([bench.order(COPY, index) for index in range(9)])
    outcomes = bench.outcomes(9)
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
    assert {outcome.attempt.task.index for outcome in outcomes} == set(range(9))


def test_a_large_output_and_many_files_come_through(bench: Bench) -> None:
    script = """
i=0; while [ $i -lt 130 ]; do echo $i > "$TASK_RESULTS_DIR/$i.txt"; i=$((i+1)); done
head -c 3000000 /dev/zero | tr '\\0' 'x'; echo; head -c 20000000 /dev/zero > "$TASK_RESULTS_DIR/big"
"""
    outcome = bench.outcome(script)
    assert isinstance(outcome, Succeeded)
    assert (outcome.result.count, outcome.result.files) == (131, None)
    assert (bench.folder / "logs" / "app-0.1.jsonl").stat().st_size > 3_000_000


def test_capacity_tells_what_is_taken(bench: Bench) -> None:
    free = bench.executor.capacity()
    assert (free.slots, free.room >= SLOTS) == (SLOTS, True)
    assert free.largest.cores >= 1
    assert free.largest.memory_bytes > 1 << 20
    order = bench.order(FOR_EVER)
    pid = bench.started(order)
    assert bench.executor.capacity().room == free.room - 1
    assert order.attempt in bench.executor.alive()
    bench.executor.cancel([order.attempt])
    bench.until(lambda: gone(pid) and bench.executor.capacity().room == free.room)


def test_closing_lets_runs_end_that_can(bench: Bench, tmp_path: Path) -> None:
    script = f'echo $$ > "$TASK_DIR/../pid"; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; {COPY}'
    bench.started(bench.order(script))
    closing = threading.Thread(target=bench.close, args=(DEADLINE_S,))
    closing.start()
    bench.until(lambda: bench.executor.capacity().room == 0)
    (tmp_path / "go").touch()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    assert isinstance(bench.outcomes()[0], Succeeded)


def test_closing_gives_back_what_does_not_end_and_what_waits(bench: Bench) -> None:
    running = [bench.order(FOR_EVER, index) for index in range(SLOTS)]
    pids = [bench.started(order) for order in running]
    waiting = bench.order(COPY, 8)
    bench.executor.start([waiting])
    bench.close()
    assert all(gone(pid) for pid in pids)
    outcomes = bench.outcomes(SLOTS + 1)
    assert all(isinstance(outcome, GivenBack) for outcome in outcomes)
    assert {outcome.attempt for outcome in outcomes} == {order.attempt for order in [*running, waiting]}


def test_runners_tell_what_they_do(bench: Bench) -> None:
    bench.outcome(COPY)
    bench.until(lambda: sum(runner["done"] for runner in bench.executor.runners()) == 1)
    runners = bench.executor.runners()
    assert 1 <= len(runners) <= SLOTS
    assert all(runner["pid"] != os.getpid() and runner["attempt"] is None for runner in runners)
