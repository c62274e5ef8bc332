"""The simulation's stand-ins for the world: time that is turned by hand, a disk that forgets nothing, programs that are
Python functions, runners that die, freeze and speak out of turn. What they run is the product's own code."""

from __future__ import annotations

import heapq
import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fanfold.effects import Effects
from fanfold.errors import OutOfSpace, Unavailable
from fanfold.jobs import contract
from fanfold.jobs.blocks import Device
from fanfold.jobs.lifecycle import Step
from fanfold.jobs.models import AttemptKey, Job
from fanfold.jobs.needs import Need
from fanfold.jobs.task_lifecycle import Outcome, Reason, RunnerLost
from fanfold.pipeline.tools import Tools
from fanfold.ports.clock import Clock
from fanfold.ports.executor import Capacity, Executor, Offer, Report, RunOrder, Told
from fanfold.ports.platform import Ended, Platform, Program, Running
from fanfold.ports.signals import Signal
from fanfold.runner.folders import folders_of
from fanfold.runner.run import Run

BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)
END_OF_PAYLOAD = "whole\n"
KILL_AFTER_S = 3.0
"""A runner that does not obey a cancel is killed after so many seconds, or much later where the dice say so."""


class SimulatedCrash(BaseException):
    """The process died here; nothing in the product may catch it."""


class VirtualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s


class NoSignal:
    """Nobody waits in a simulation, so nobody is woken."""

    def wake(self) -> None:
        return

    def wait(self, timeout_s: float) -> bool:
        return False

    def pause(self, seconds: float) -> None:
        return


class InlineWorkers:
    """Runs a stage at once; a crash in it is the crash of the server."""

    def submit(self, work: Callable[[Job, Tools], list[Step]], job: Job, tools: Tools, /) -> Future[list[Step]]:
        future: Future[list[Step]] = Future()
        try:
            future.set_result(work(job, tools))
        except Exception as err:  # noqa: BLE001 - handed on by the future
            future.set_exception(err)
        return future


class SimulatedEffects(Effects):
    """Real names and bytes on a memory disk, no waiting for it. Dies at the effect it is told to, or has a bad day."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.count = 0
        self.dies_in: int | None = None
        self.away = 0.0

    def about_to(self, kind: str, what: str) -> None:
        self.count += 1
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in <= 0:
                self.dies_in = None
                raise SimulatedCrash(f"{kind} {what}")
        if kind == "commit" and self.away and self.dice.random() < self.away:
            raise self.dice.choice([Unavailable, OutOfSpace])(f"{what}: not now")

    def fsync(self, descriptor: int, what: str) -> None:
        self.about_to("fsync", what)

    def fsync_folder(self, folder: Path) -> None:
        self.about_to("fsync", folder.name)


class Agenda:
    """What happens when: calls in the order of virtual time, then of their making."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self._clock.elapsed_s + seconds, next(self._numbers), call))

    def next_at(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def do_due(self) -> Iterator[None]:
        """Make the calls that are due, pausing after each."""
        while self._heap and self._heap[0][0] <= self._clock.elapsed_s:
            heapq.heappop(self._heap)[2]()
            yield


# ---- programs


Env = Mapping[str, str]


def identity(env: Env) -> str:
    """Names one attempt for all time: what payloads carry."""
    return f"{env[contract.TASK_ID]}#{env[contract.ATTEMPT]}"


def written_folder(env: Env) -> Path:
    """Where a program leaves what it makes."""
    return Path(env["OUTPUT_DIR"] if "OUTPUT_DIR" in env else env.get("CHUNKS_DIR") or env["TASK_RESULTS_DIR"])


def first_half(env: Env) -> None:
    """What a program has written when it is in the middle of its work."""
    name = "data_0.bin" if "CHUNKS_DIR" in env else "payload.txt"
    (written_folder(env) / name).write_text("torn")


def misbehave(env: Env) -> None:
    """A result that is a way out of the result."""
    (written_folder(env) / "link").symlink_to("/etc/passwd")


def tidy_too_much(env: Env) -> None:
    """A program that cleans up after itself, and after its host."""
    shutil.rmtree(written_folder(env))


def second_half(env: Env, chunks: int) -> None:
    """The rest: payloads that name their attempt and end with a mark."""
    if "CHUNKS_DIR" in env:
        for index in range(chunks):
            Path(env["CHUNKS_DIR"], f"data_{index}.bin").write_text(f"{index} of {identity(env)}\n")
    elif "TASK_DIR" in env:
        read = Path(env["TASK_DIR"], contract.CHUNK_FILE).read_text()
        Path(env["TASK_RESULTS_DIR"], "payload.txt").write_text(f"{identity(env)} read {read}{END_OF_PAYLOAD}")
    else:
        results = sorted(Path(env["RESULTS_DIR"]).iterdir())
        merged = "".join(path.read_text().removesuffix(END_OF_PAYLOAD) for path in results)
        Path(env["OUTPUT_DIR"], "payload.txt").write_text(merged + END_OF_PAYLOAD)
        Path(env["OUTPUT_DIR"], "merger.txt").write_text(f"{identity(env)}\n{END_OF_PAYLOAD}")


class SimulatedProcess:
    """A program that is somewhere between its start and its end; `play` says how far it comes."""

    pid = 0

    def __init__(self, program: Program, silence: int) -> None:
        self.env = program.env
        self.status = 0
        self._silence = silence

    def play(self, part: Callable[[Env], None]) -> None:
        """Let the program do a part of its work, where it still lives; it fails where its folders are gone."""
        if self.status == 0:
            try:
                part(self.env)
            except FileNotFoundError:
                self.status = 1

    def output(self) -> int:
        return self._silence

    def ended_fd(self) -> int:
        return self._silence

    def memory_bytes(self) -> int:
        return 0

    def reap(self) -> Ended:
        return Ended(self.status, 0.0, 0)

    def terminate(self) -> None:
        self.status = -15

    def kill(self) -> None:
        return

    def close(self) -> None:
        return


class SimulatedPlatform:
    """Starts simulated processes; /dev/null is their silent output."""

    def __init__(self) -> None:
        self._silence = os.open(os.devnull, os.O_RDONLY)

    def start(self, program: Program) -> Running:
        return SimulatedProcess(program, self._silence)

    def tidy(self) -> None:
        return

    def close(self) -> None:
        os.close(self._silence)


# ---- runners


@dataclass
class Odds:
    """How often things go wrong, each a probability a step or a program."""

    dies: float = 0.0
    freezes: float = 0.0
    fails: float = 0.0
    hostile: float = 0.0
    repeats: float = 0.0
    away: float = 0.0


class SimulatedRunner:
    """One slot. Its run goes on step by step, at times the dice choose; between two steps anything may happen."""

    def __init__(self, name: str, executor: SimulatedExecutor) -> None:
        self.name = name
        self.order: RunOrder | None = None
        self.frozen = False
        self.gone = False
        self._executor = executor
        self._world = executor.world
        self._run: Run | None = None

    def take(self, order: RunOrder) -> None:
        self.order = order
        self._next(self._begin)

    def _next(self, step: Callable[[], None]) -> None:
        """Do the next step after a while, unless the runner dies or freezes first."""
        dice, odds = self._world.dice, self._world.odds
        delay = dice.choice([0.0, 0.01, 0.2, 1.0]) * dice.random()
        if dice.random() < odds.dies:
            self._world.agenda.after(delay, self.die)
        elif dice.random() < odds.freezes:
            self.frozen = True
            if self.order is not None:
                self._world.silent.add(self.order.attempt)
            self._world.agenda.after(delay + dice.uniform(0.5, 4 * self._world.lease_s), lambda: self._thaw(step))
        else:
            self._world.agenda.after(delay, lambda: self._step(step))

    def _thaw(self, step: Callable[[], None]) -> None:
        self.frozen = False
        self._step(step)

    def _step(self, step: Callable[[], None]) -> None:
        if self.gone or self.order is None:
            return
        try:
            step()
        except SimulatedCrash:
            self.die()

    def _begin(self) -> None:
        assert self.order is not None
        world = self._world
        effects = SimulatedEffects(world.dice)
        if world.dice.random() < world.odds.dies:
            effects.dies_in = world.dice.randint(1, 12)
        self._run = Run(self.order, world.platform, effects, world.clock, self.name, 1.0)
        self._run.begin()
        if self._run.outcome is not None:
            self._run.clean()
            self._next(self._report)
            return
        world.started[self.order.attempt] = self.name
        if world.dice.random() < 0.5:
            self._executor.hear(Told(self.order.attempt, True, world.clock.now(), self.name))
        self._next(self._write_half)

    def _process(self) -> SimulatedProcess:
        assert self._run is not None
        assert isinstance(self._run.running, SimulatedProcess)
        return self._run.running

    def _write_half(self) -> None:
        self._process().play(first_half)
        self._next(self._write_rest)

    def _write_rest(self) -> None:
        process, world = self._process(), self._world
        if world.dice.random() < world.odds.fails:
            process.status = process.status or world.dice.choice([1, -9])
        process.play(lambda env: second_half(env, world.chunks))
        if world.dice.random() < world.odds.hostile:
            process.play(misbehave if world.dice.random() < 0.5 else tidy_too_much)
        self._next(self._end)

    def _end(self) -> None:
        assert self._run is not None
        self._run.on_end()
        self._next(self._report)

    def _report(self) -> None:
        assert self._run is not None
        assert self._run.outcome is not None
        outcome = self._run.outcome
        self._executor.hear(outcome)
        if self._world.dice.random() < self._world.odds.repeats:
            again = self._world.dice.choice([0.0, 0.5, 20.0])
            self._world.agenda.after(again, lambda: self._executor.hear(outcome))
        self._run, self.order = None, None
        self._executor.hand_out()

    def stop(self) -> None:
        """A cancel: obeyed between two steps, by a runner that can."""
        if self._run is not None and not self.frozen and self._run.running is not None:
            self._run.stop(Reason.ABORTED)
        patience = KILL_AFTER_S if self._world.dice.random() < 0.5 else 10 * self._world.lease_s
        held = self.order
        self._world.agenda.after(patience, lambda: self.die() if self.order is held else None)

    def die(self) -> None:
        """Killed: what it had written stays, and its server, where that lives, sees it."""
        if self.gone:
            return
        self.gone = True
        self._executor.bury(self)

    def orphan(self) -> None:
        """Its server is dead: it ends at once, or after one more step, or leaves everything lying about."""
        fate = self._world.dice.random()
        if fate < 0.4 and self._run is not None:
            self._step(self._run.clean)
        self.gone = fate < 0.7


class SimulatedExecutor:
    """Holds its runners as the local executor does; lives and dies with the server."""

    def __init__(self, world: Any, slots: int) -> None:
        self.world = world
        self.dead = False
        self.deaf = False
        self._slots = slots
        self._waiting: list[RunOrder] = []
        self._reports: list[Report] = []
        self._names = itertools.count()
        self._runners = [self._hired() for _ in range(slots)]

    def _hired(self) -> SimulatedRunner:
        return SimulatedRunner(f"{self.world.servers}-{next(self._names)}", self)

    def capacity(self) -> Capacity:
        busy = sum(runner.order is not None for runner in self._runners)
        return Capacity(self._slots, max(0, 3 * self._slots - busy - len(self._waiting)), Device(64.0, 2**40))

    def offer(self, need: Need) -> Offer:
        return Offer(self._slots)

    def start(self, orders: Sequence[RunOrder]) -> None:
        self._waiting += orders
        self.hand_out()

    def hand_out(self) -> None:
        for runner in self._runners:
            if runner.order is None and self._waiting and not self.dead:
                runner.take(self._waiting.pop(0))

    def cancel(self, attempts: Sequence[AttemptKey]) -> None:
        self._waiting = [order for order in self._waiting if order.attempt not in attempts]
        for runner in self._runners:
            if runner.order is not None and runner.order.attempt in attempts:
                runner.stop()

    def hear(self, report: Report) -> None:
        if not self.dead:
            self._reports.append(report)

    def bury(self, runner: SimulatedRunner) -> None:
        if self.dead:
            return
        self._runners[self._runners.index(runner)] = self._hired()
        order, runner.order = runner.order, None
        if order is not None:
            SimulatedEffects(self.world.dice).remove_tree(folders_of(order, runner.name).scratch)
            self.hear(RunnerLost(order.attempt, self.world.clock.now(), runner=runner.name))
        self.hand_out()

    def collect(self) -> list[Report]:
        reports, self._reports = self._reports, []
        self.world.dice.shuffle(reports)
        self.world.note_collected([report for report in reports if isinstance(report, Outcome)])
        return reports

    def alive(self) -> list[AttemptKey]:
        """Right after a pause of the server it has heard of nobody yet."""
        if self.deaf:
            self.deaf = False
            return []
        held = [runner.order for runner in self._runners if runner.order is not None and not runner.frozen]
        return [order.attempt for order in [*held, *self._waiting]]

    def runners(self) -> list[dict[str, Any]]:
        return []

    def close(self, drain_s: float) -> None:
        """The server died; its runners see it each in its own time."""
        self.dead = True
        for runner in self._runners:
            runner.orphan()


_fits: tuple[type[Clock], type[Signal], type[Platform], type[Executor]] = (
    VirtualClock,
    NoSignal,
    SimulatedPlatform,
    SimulatedExecutor,
)
