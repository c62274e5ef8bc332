"""One seed, one life of a job: the real state machine, SQL, stages, feeder, scheduler, staging and delivery over an
in-memory database and a memory disk; time, runners, programs and misfortune are simulated and follow the seed.

    python -m tests.faults.simulation FIRST COUNT [--first]     plays seeds and prints what broke
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from fanfold.datasources.local import MANIFEST, LocalFolder
from fanfold.effects import Effects
from fanfold.errors import Unavailable
from fanfold.jobs.lifecycle import ACTIVE, ENDED, RunAccepted, step
from fanfold.jobs.models import (
    AttemptKey,
    DataRef,
    Job,
    JobBlocks,
    JobConfig,
    JobParams,
    JobState,
    OnFailure,
    PinnedBlock,
    Role,
    TaskKey,
    TaskState,
)
from fanfold.jobs.task_lifecycle import CLAIMED, Outcome, Reason, Succeeded
from fanfold.pipeline.feeder import Feeder
from fanfold.pipeline.invariants import check_invariants
from fanfold.pipeline.orders import OrderMaker
from fanfold.pipeline.planners import BuiltinPlanners
from fanfold.pipeline.reconcile import EVERY_S, Reconciler
from fanfold.pipeline.scheduler import LONGEST_WAIT_S, Scheduler
from fanfold.pipeline.tools import Tools
from fanfold.pipeline.workspace import Workspace
from fanfold.services.caller_secrets import CallerSecrets
from fanfold.services.jobs import JobService
from fanfold.stores.sql import SqlStore
from fanfold.stores.sqlite import SqliteDatabase
from tests.faults.simulated import (
    END_OF_PAYLOAD,
    Agenda,
    InlineWorkers,
    NoSignal,
    Odds,
    SimulatedCrash,
    SimulatedEffects,
    SimulatedExecutor,
    SimulatedPlatform,
    VirtualClock,
)

JOB_ID = "job"
LEASE_S = 5.0
CANCELLED_WITHIN = timedelta(seconds=2)
ACTIVE_IN_ORDER = [state for state in JobState if state in ACTIVE]
LONGEST_LIFE_S = 900.0
MOST_TURNS = 5000


class Violation(AssertionError):
    """A promise was broken: which, and the seed that shows it."""


@dataclass
class Tally:
    """What a number of seeds came to."""

    seeds: int = 0
    complete: int = 0
    failed: int = 0
    crashes: int = 0
    effects: int = 0
    turns: int = 0

    def add(self, world: World) -> None:
        state = world.store.job(JOB_ID).state
        self.seeds += 1
        self.complete += state is JobState.COMPLETE
        self.failed += state is JobState.FAILED
        self.crashes += world.servers - 1
        self.effects += world.effects.count
        self.turns += world.turns


class QuickDatabase(SqliteDatabase):
    """The in-memory database with one reader that stays open, since a seed makes hundreds of reads."""

    def __init__(self) -> None:
        super().__init__(None, Effects())
        with self._engine.connect() as connection:
            self.raw: sqlite3.Connection = connection.connection.driver_connection
        self._reader = sa.create_engine("sqlite://", creator=lambda: self.raw, poolclass=StaticPool).connect()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self.translated():
            yield self._reader

    def empty(self, effects: Effects) -> None:
        """Begin anew, with other effects."""
        self._effects = effects
        for table in ("jobs", "tasks", "attempts", "events"):
            self.raw.execute(f"DELETE FROM {table}")

    def state(self) -> tuple[JobState, int]:
        """The job's state and revision."""
        state, revision = self.raw.execute("SELECT state, revision FROM jobs").fetchone()
        return JobState(state), revision

    def tasks(self) -> list[TaskSeen]:
        """Every task."""
        columns = "role, chunk_index, fence, attempt, state, runner"
        return [TaskSeen(*row) for row in self.raw.execute(f"SELECT {columns} FROM tasks")]

    def attempts_that_ended(self, why: Reason) -> set[AttemptKey]:
        """The attempts that ended for a reason."""
        query = "SELECT role, chunk_index, fence FROM attempts WHERE reason = ?"
        return {
            AttemptKey(TaskKey(JOB_ID, Role(role), index), fence)
            for role, index, fence in self.raw.execute(query, (why,))
        }


class TaskSeen(NamedTuple):
    """What a row says of a task."""

    role: str
    index: int
    fence: int
    attempt: int
    state: str
    runner: str

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(TaskKey(JOB_ID, Role(self.role), self.index), self.fence)

    @property
    def identity(self) -> str:
        """As its program writes it into payloads."""
        return f"{self.key.task.task_id}#{self.attempt}"


class World:
    """Everything that outlives a server: database, disk, time, runners, and what was promised to whom."""

    def __init__(self, seed: int, place: Path, database: QuickDatabase) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.place = place
        self.database = database
        self.clock = VirtualClock()
        self.agenda = Agenda(self.clock)
        self.platform = SimulatedPlatform()
        self.lease_s = LEASE_S
        self.chunks = self.dice.randint(1, 4)
        self.effects = SimulatedEffects(self.dice)
        self.odds = self._odds()
        self.slots = self.dice.randint(1, 3)
        self.servers = 0
        self.turns = 0
        self.started: dict[AttemptKey, str] = {}
        self.silent: set[AttemptKey] = set()
        self.owed: set[AttemptKey] = set()
        self.promised_revision = 0
        self.abort_answer: Job | None = None
        self._abort_at: JobState | None = None
        self._whole: set[str] = set()
        self._numbered: dict[str, int] = {}
        self._changes = -1

    def _odds(self) -> Odds:
        """Most seeds have one or two kinds of misfortune, some all of them."""
        dice = self.dice

        def chance(at_most: float) -> float:
            return dice.uniform(0, at_most) if dice.random() < 0.4 else 0.0

        return Odds(chance(0.15), chance(0.15), chance(0.4), chance(0.2), chance(0.5), chance(0.3))

    # ---- the server, which may die

    def begin(self) -> None:
        """A server starts over what an earlier one left."""
        self.servers += 1
        if self.servers <= 6 and self.dice.random() < 0.7:
            self.effects.dies_in = self.dice.randint(1, 150)
        self.effects.away = 0.0
        workspace = Workspace(self.place, self.effects)
        self.store = SqlStore(self.database)
        self.workspace = workspace
        self.executor = SimulatedExecutor(self, self.slots)
        local = LocalFolder(self.effects)

        def sources(_ref: DataRef) -> LocalFolder:
            return local

        secrets = CallerSecrets({})
        feeder = Feeder(
            self.store,
            self.executor,
            workspace,
            OrderMaker(workspace, lambda _block: (), secrets, sources, offer=self.executor.offer),
            self.clock,
            self.lease_s,
        )
        tools = Tools(
            store=self.store,
            workspace=workspace,
            clock=self.clock,
            sources=sources,
            planners=BuiltinPlanners(sources),
            offer=lambda need: self.executor.offer(need),  # noqa: PLW0108 - of the server that lives then
            stopping=lambda: False,
            ahead_s=0.1 if self.seed % 2 else -1.0,  # several stages with one write, or each with its own
        )
        reconciler = Reconciler(self.store, workspace, feeder, secrets, self.clock)
        self.scheduler = Scheduler(tools, feeder, reconciler, InlineWorkers(), NoSignal(), self.lease_s)
        self.service = JobService(self.store, None, self.clock, NoSignal())
        reconciler.start()

    def crash(self) -> None:
        """All that the server had in memory is gone; a transaction that was open was never there."""
        self.owed.clear()
        self.executor.close(0.0)
        if self.dice.random() < 0.3:
            self.clock.elapsed_s += self.dice.uniform(0, 4 * self.lease_s)

    def alive(self, call: Callable[[], float]) -> float:
        """Do something in the server; where it dies of it, start the next one. Says how long nothing else is due."""
        try:
            return call()
        except Unavailable:
            return 1.0
        except SimulatedCrash:
            self.crash()
        while True:
            try:
                self.begin()
                return 0.0
            except SimulatedCrash:
                self.crash()

    # ---- the job

    def submit(self) -> None:
        source = self.place / "input.txt"
        source.write_text("".join(f"line {index}\n" for index in range(self.chunks)))
        planned = self.dice.random() < 0.3
        config = JobConfig(
            job_timeout_s=self.dice.choice([7200.0, 7200.0, self.dice.uniform(1.0, 30.0)]),
            max_attempts=self.dice.choice([3, 3, 1, 10]),
            max_failed_tasks=self.dice.choice([0, 0, 1]),
            on_failure=self.dice.choice(list(OnFailure)),
            max_concurrency=self.dice.choice([None, 1]),
            canary={7: 1, 8: 2}.get(self.seed % 10, 0),
        )
        job = Job(
            id=JOB_ID,
            account_id="account",
            created_at=self.clock.now(),
            config=config,
            params=JobParams(partitioner={"lines": 1} if planned else {}),
            data_source=DataRef("local", {"path": str(source)}),
            data_destination=DataRef("local", {"path": str(self.destination)}),
        )
        self.store.insert_job(job, "somebody")
        blocks = JobBlocks(_block("partitioner", planned), _block("app"), _block("assembler"))
        self.store.advance(step(job, RunAccepted(blocks, config, "somebody"), self.clock.now()))

    @property
    def destination(self) -> Path:
        return self.place / "output"

    def plan_trouble(self) -> None:
        """What the user and the weather will do."""
        self._abort_at = self.dice.choice([None, None, None, *ACTIVE_IN_ORDER])
        if self.odds.away:
            self.agenda.after(self.dice.uniform(0, 3), lambda: self._weather(self.odds.away))
            self.agenda.after(self.dice.uniform(3, 30), lambda: self._weather(0.0))

    def _weather(self, away: float) -> None:
        self.effects.away = away

    def abort(self) -> float:
        def call() -> float:
            job = self.service.abort("account", JOB_ID, "somebody")
            self.abort_answer = job
            self.promised_revision = job.revision
            return 0.0

        return self.alive(call)

    # ---- life

    def live(self) -> None:
        """From submission to the end of the job and of everything that was still under way."""
        self.alive(lambda: self.begin() or 0.0)
        dies_in, self.effects.dies_in = self.effects.dies_in, None
        self.submit()
        self.effects.dies_in = dies_in
        self.plan_trouble()
        while self.database.state()[0] not in ENDED or self.agenda.next_at() is not None:
            self.turn()
        self.effects.away, self.effects.dies_in = 0.0, None
        for pause_s in (1.0, EVERY_S + 1, 1.0):  # a stage that is done is landed before anything is swept
            self.clock.elapsed_s += pause_s
            self.alive(self.scheduler.turn)
        self.check_end()

    def turn(self) -> None:
        self.turns += 1
        if self.clock.elapsed_s > LONGEST_LIFE_S or self.turns > MOST_TURNS:
            raise Violation(f"the job does not end: {self.database.state()[0]} after {self.clock.elapsed_s:.0f} s")
        wait_s = self.alive(self.scheduler.turn)
        self.check()
        if self.database.state()[0] is self._abort_at and self.dice.random() < 0.4:
            wait_s = max(wait_s, self.abort())
        if wait_s < 1.0:
            self._check_promptness()
        self.sleep(wait_s)

    def _check_promptness(self) -> None:
        """What the server, if nothing kept it from its work, has done by now."""
        if self.owed:
            raise Violation(f"a success that the server took was not written: {self.owed}")
        ended_at = self.store.job(JOB_ID).ended_at if self.database.state()[0] in ENDED else None
        if ended_at is not None and self.clock.now() - ended_at > CANCELLED_WITHIN and not self.scheduler.idle():
            raise Violation("the server holds attempts of a job that has ended long ago")

    def sleep(self, wait_s: float) -> None:
        """Let time pass: to the next thing that happens, or for longer where the server hangs."""
        upcoming = self.agenda.next_at()
        if wait_s >= LONGEST_WAIT_S:
            wait_s = 1.0 if upcoming is None else max(0.0, min(1.0, upcoming - self.clock.elapsed_s))
        if self.dice.random() < 0.02:
            wait_s += self.dice.uniform(0.5, 3) * self.lease_s
            self.executor.deaf = True
        until = self.clock.elapsed_s + wait_s
        while (upcoming := self.agenda.next_at()) is not None and upcoming <= until:
            self.clock.elapsed_s = max(self.clock.elapsed_s, upcoming)
            for _ in self.agenda.do_due():
                self.read_what_is_published()
        self.clock.elapsed_s = until

    def note_collected(self, outcomes: Sequence[Outcome]) -> None:
        """The server is handed reports: a success of a current attempt must be written now, unless the server dies."""
        succeeded = {outcome.attempt for outcome in outcomes if isinstance(outcome, Succeeded)}
        if succeeded:
            self.owed |= {task.key for task in self.database.tasks() if task.state in CLAIMED and task.key in succeeded}

    # ---- promises

    def check(self) -> None:
        """What must hold after every turn."""
        if self.database.raw.total_changes == self._changes:
            return
        self._changes = self.database.raw.total_changes
        found = self.store.violations()
        if found:
            raise Violation("; ".join(found))
        state, revision = self.database.state()
        if revision < self.promised_revision:
            raise Violation(f"revision {self.promised_revision} was promised and is gone: it is {revision}")
        for task in self.database.tasks():
            self._check_task(task, unfinished=state not in ENDED)
        taken = self.database.attempts_that_ended(Reason.LEASE_EXPIRED) - self.silent
        if taken:
            raise Violation(f"taken from runners that were never silent: {taken}")
        if state in ENDED:
            self.owed.clear()
        self.read_what_is_published()

    def _check_task(self, task: TaskSeen, *, unfinished: bool) -> None:
        if task.state in CLAIMED and self._numbered.setdefault(task.identity, task.fence) != task.fence:
            raise Violation(f"two attempts have one number: {task.key.name} and another are both '{task.identity}'")
        mine = self.started.get(task.key)
        if task.state == TaskState.RUNNING and task.runner != mine:
            raise Violation(f"{task.key.name} is said to run on '{task.runner}', it runs on '{mine}'")
        if task.state == TaskState.COMPLETED:
            self.owed.discard(task.key)
            if unfinished and not self.workspace.job(JOB_ID).result(task.key).is_dir():
                raise Violation(f"the result of {task.key.name} is gone")

    def read_what_is_published(self) -> None:
        """The reader that polls: what has its final name is whole, at any moment."""
        folder = self.workspace.job(JOB_ID).path / "results"
        for result in folder.iterdir() if folder.is_dir() else ():
            if result.name not in self._whole:
                self._check_result(result)
                self._whole.add(result.name)
        for file in self.destination.glob("[!.]*") if self.destination.is_dir() else ():
            if not _is_whole(file.name, file.read_text()):
                raise Violation(f"the output has a torn file '{file.name}'")

    def _check_result(self, result: Path) -> None:
        role = result.name.partition("-")[0]
        expected = {"app": {"payload.txt"}, "assembler": {"payload.txt", "merger.txt"}}
        names = expected.get(role) or {f"data_{index}.bin" for index in range(self.chunks)}
        found = {file.name for file in result.iterdir()}
        torn = [file.name for file in result.iterdir() if "torn" in file.read_text()]
        if found != names or torn:
            raise Violation(f"'{result.name}' was published half: {sorted(found)}, torn {torn}")

    # ---- the end

    def check_end(self) -> None:
        """What must hold when all is over."""
        found = check_invariants(self.store, self.workspace)
        job = self.store.job(JOB_ID)
        if job.failure_reason == "internal":
            found.append(f"a stage broke: {job.error_message}")
        if not self.scheduler.idle():
            found.append("the server waits for attempts of a job that has ended")
        found += self._broken_answers(job) + self._leftovers()
        found += self._wrong_output() if job.state is JobState.COMPLETE else self._output_of_nothing()
        if found:
            raise Violation("; ".join(found))

    def _broken_answers(self, job: Job) -> list[str]:
        answer = self.abort_answer
        if answer is None:
            return []
        expected = JobState.COMPLETE if answer.state is JobState.COMPLETE else JobState.FAILED
        return [] if job.state is expected else [f"abort was answered {answer.state}, the job ended {job.state}"]

    def _leftovers(self) -> list[str]:
        current = {attempt.name for attempt in self.store.current_results(JOB_ID)}
        folder = self.workspace.job(JOB_ID).path
        results = {path.name for path in (folder / "results").iterdir()} if (folder / "results").is_dir() else set()
        return [f"results that nobody wants: {sorted(results - current)}"] if results - current else []

    def _output_of_nothing(self) -> list[str]:
        left = sorted(path.name for path in self.destination.rglob("*")) if self.destination.is_dir() else []
        return [f"a failed job left {left} at its destination"] if left else []

    def _wrong_records(self, failed: list[int], listed: list[dict[str, str]]) -> list[str]:
        """Every chunk is told of once, by the attempt that won; the bytes are those of the manifest."""
        found = [
            name
            for name, digest in ((entry["name"], entry["sha256"]) for entry in listed)
            if hashlib.sha256((self.destination / name).read_bytes()).hexdigest() != digest
        ]
        told = json.loads((self.destination / "provenance.json").read_text())["chunks"]
        apps = sorted(task for task in self.database.tasks() if task.role == Role.APP)
        found += (
            ["provenance"]
            if [(row["chunk"], row["attempt"]) for row in told] != [(task.index, task.attempt) for task in apps]
            else []
        )
        if failed:
            lines = (self.destination / "failed.jsonl").read_text().splitlines()
            found += ["failures"] if [json.loads(line)["chunk"] for line in lines] != failed else []
        return found

    def _wrong_output(self) -> list[str]:
        """Every chunk that succeeded is in the output once, as its winning attempt wrote it."""
        listed = json.loads((self.destination / MANIFEST).read_text())["files"]
        found = sorted(path.name for path in self.destination.iterdir() if path.name != MANIFEST)
        failed = sorted(task.index for task in self.database.tasks() if task.state == TaskState.FAILED)
        told = [*(["failed.jsonl"] if failed else []), "merger.txt", "payload.txt", "provenance.json"]
        if found != sorted(entry["name"] for entry in listed) or found != told:
            return [f"the destination holds {found}, its manifest lists {listed}"]
        if wrong := self._wrong_records(failed, listed):
            return [f"what is told of the output is wrong: {wrong}"]
        winners = {role: [task for task in self.database.tasks() if task.role == role] for role in Role}
        merger = (self.destination / "merger.txt").read_text()
        if merger != f"{winners[Role.ASSEMBLER][0].identity}\n{END_OF_PAYLOAD}":
            return ["the output is not the winning assembler's"]
        cutter = winners[Role.PARTITIONER]
        expected = sorted(
            f"{task.identity} read " + (f"{task.index} of {cutter[0].identity}" if cutter else f"line {task.index}")
            for task in winners[Role.APP]
            if task.state == TaskState.COMPLETED
        )
        merged = (self.destination / "payload.txt").read_text().removesuffix(END_OF_PAYLOAD).splitlines()
        return [] if sorted(merged) == expected else [f"merged {merged}, expected {expected}"]


def _is_whole(name: str, text: str) -> bool:
    """Whether a delivered file has its end."""
    ends = {"provenance.json": "\n]}\n", "failed.jsonl": "]}\n"}
    return text.endswith(ends.get(name, END_OF_PAYLOAD))


def _block(kind: str, builtin: bool = False) -> PinnedBlock:
    name = "split-lines" if builtin else "simulated"
    manifest = {"name": name, "version": "0.1", "type": kind, "entrypoint": "program", "platform": "process"}
    return PinnedBlock("id", name, "0.1", 1, "", "package", builtin, manifest)


@contextmanager
def memory_disk() -> Iterator[Path]:
    """A folder in memory where the machine has one; gone afterwards."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="faults-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


class Simulation:
    """Plays seeds, one after the other, over one database that is emptied in between."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._database = QuickDatabase()
        self.tally = Tally()

    def play(self, seed: int) -> World:
        """Raises Violation, or whatever the product broke with, naming the seed."""
        place = self._place / str(seed)
        place.mkdir()
        world = World(seed, place, self._database)
        self._database.empty(world.effects)
        try:
            world.live()
        except Exception as err:
            raise Violation(f"seed {seed}: {type(err).__name__}: {err}") from err
        finally:
            world.platform.close()
            shutil.rmtree(place, ignore_errors=True)
        self.tally.add(world)
        return world

    def close(self) -> None:
        self._database.close()


def main(first: int, count: int, *, only_first: bool) -> int:
    """Play seeds and tell how it went; the number of those that broke a promise."""
    broken = 0
    began = time.perf_counter()
    with memory_disk() as place:
        simulation = Simulation(place)
        for seed in range(first, first + count):
            try:
                simulation.play(seed)
            except Violation as violation:
                broken += 1
                print(violation)
                if only_first:
                    break
        simulation.close()
    took = time.perf_counter() - began
    seeds = simulation.tally.seeds + broken
    print(f"{simulation.tally}, {broken} violations, {60 * seeds / took:.0f} seeds a minute")
    return broken


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]), int(sys.argv[2]), only_first="--first" in sys.argv)))
