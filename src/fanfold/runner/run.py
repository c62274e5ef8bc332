"""One attempt on this machine: stage in, start the program, watch it, stage out, tell how it ended.

    Run.begin() → (output, time, cancel)* → Run.outcome

A runner works in a folder of its own, apart for each account, so that one sandbox serves all jobs of an account's
block: `scratch/<runner>/<account>/<job>.<attempt>/in, out, tmp`. What is published goes to `results/<attempt>` of the
job. Both carry the fence, so a runner that wakes late works in folders nobody looks at.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from fanfold.effects import DISK_IS_FULL, Effects
from fanfold.errors import OutOfSpace, Unavailable
from fanfold.jobs import contract
from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.failures import cause_of
from fanfold.jobs.models import ResultManifest, Role, Usage
from fanfold.jobs.secrets import Masker
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, ProgramFailed, Reason, Succeeded
from fanfold.ports.blobs import Blobs
from fanfold.ports.clock import Clock
from fanfold.ports.executor import RunOrder
from fanfold.ports.platform import Ended, Platform, Program, Rules, Running, Walls
from fanfold.runner.disk_use import DiskWatch, Use, size_text
from fanfold.runner.folders import folders_of, place_of
from fanfold.runner.logs import AttemptLog
from fanfold.runner.providing import NotProvided, Provider
from fanfold.runner.settling import settle
from fanfold.runner.staging import ChunkChanged, SourceAway, Staged, stage_in
from fanfold.runner.storage import at_rest_here
from fanfold.runner.verdict import why_failed
from fanfold.runner.workplaces import PARAMS, Workplace, Workplaces

READ_BYTES = 256 * 1024
CACHES = (contract.SHARED_CACHE_DIR, contract.USER_CACHE_DIR)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Run:
    """One attempt under way. `outcome` is None until it has ended."""

    def __init__(
        self,
        order: RunOrder,
        platform: Platform,
        effects: Effects,
        clock: Clock,
        runner: str,
        kill_grace_s: float,
        *,
        rules: Rules | None = None,
        blobs: Blobs | None = None,
    ) -> None:
        self.order = order
        self.blobs = blobs or at_rest_here(effects)
        self._provider = Provider(effects)
        self.started_at: datetime | None = None
        self.outcome: Outcome | None = None
        self.running: Running | None = None
        self._platform = platform
        self._effects = effects
        self._clock = clock
        self._runner = runner
        self._kill_grace_s = kill_grace_s
        self.rules = rules or Rules()
        self.folders = folders_of(order, place_of(runner, os.getpid()), self.blobs.root)
        self._mask = Masker(order.secrets.values())
        self._log = AttemptLog(self.folders.logs, order.attempt.name, clock, effects, self._mask)
        self._workplaces: Workplaces | None = None
        self._workplace: Workplace | None = None
        self._given = Staged()
        self._ended_at: datetime | None = None
        self._package = order.package
        self._memory_bytes = 0
        self._deadline = 0.0
        self._ran_s = 0.0
        self._kill_at: float | None = None
        self._why: Reason | None = None
        self._has_ended = False
        self._limit: tuple[Reason, str] | None = None
        self._watches: list[DiskWatch] = []

    def work_at(self, workplaces: Workplaces) -> None:
        """Use folders that earlier attempts worked in."""
        self._workplaces = workplaces

    def provide_by(self, provider: Provider) -> None:
        """Have packages that the order asks for made by this."""
        self._provider = provider

    def watch(self, watch: DiskWatch) -> None:
        """End the program too when this tells that a limit was passed."""
        self._watches.append(watch)

    def begin(self, listen: Callable[[], None] = lambda: None) -> None:
        """Stage in and start; afterwards it is `running`, or has an `outcome` already. Where that takes long, `listen`
        is called again and again, and may `stop` it."""
        try:
            self._make_folders()
            unwanted = partial(self._unwanted, listen)
            self._package = str(self.blobs.program(self.blobs.at(self.order.package), unwanted))
            self.order = self._provider.provided(self.order, self.blobs, unwanted)
            same = self._is_same_user()
            self._given = stage_in(self.order, self.folders.reads, self._effects, unwanted, self.blobs, copied=same)
            if self._why is None:
                self.running = self._platform.start(self._program())
        except ChunkChanged as err:
            self.fail(Reason.CHUNK_CHANGED, str(err), final=True)
        except NotProvided as err:
            self.fail(Reason.ENVIRONMENT_FAILED, str(err))
        except SourceAway as err:
            self.fail(Reason.SOURCE_UNAVAILABLE, str(err))
        except OutOfSpace as err:
            self.fail(Reason.DISK_FULL, str(err))
        except Unavailable as err:
            self.give_back(err)
        except OSError as err:
            self._cannot_start(err)
        else:
            self._begun()

    def _is_same_user(self) -> bool:
        """Whether the program runs as the user that owns what is stored, and is not Fanfold's own."""
        is_another = os.getuid() == 0 and (self.rules.isolation == "on" or bool(self.order.image))
        return not self.order.trusted and not is_another

    def _begun(self) -> None:
        if self.running is None:  # stopped meanwhile
            self.outcome = GivenBack(self.order.attempt, self._clock.now())
            return
        self.started_at = self._clock.now()
        self._deadline = self._clock.monotonic() + self.order.timeout_s
        self.watch(self._watch_of_its_own())

    def _watch_of_its_own(self) -> DiskWatch:
        rules, given = self.rules, Use(self._given.size_bytes, self._given.entries)
        return DiskWatch(self.folders.scratch, rules.max_disk_bytes, rules.max_files, self._clock, given=given)

    def _unwanted(self, listen: Callable[[], None]) -> bool:
        listen()
        return self._why is not None

    def _make_folders(self) -> None:
        """Of a chunk's attempt those of an earlier one, where there are any."""
        order = self.order
        if self.blobs.at_once > 1:  # here nobody made the job's folder before
            self._effects.make_folder(self.folders.logs)
        if self._workplaces is None or order.attempt.task.role is not Role.APP or order.image:
            Workplaces(self._effects).made(self.folders.scratch)
            return
        over_chunk = all(
            isinstance(item.chunk, RangeChunk) and not item.chunk.stored and not item.request for item in order.inputs
        )
        self._workplace = self._workplaces.take(self.folders.scratch, over_chunk=over_chunk)

    def _program(self) -> Program:
        order, folders = self.order, self.folders
        entry = str(Path(self._package, order.entrypoint))
        own = tuple(str(folder) for folder in (folders.reads, folders.writes, folders.temporary))
        env = self._environment()
        return Program([*order.interpreter, entry], env, str(folders.temporary), self._walls(entry), own)

    def _walls(self, entry: str) -> Walls:
        order = self.order
        shared, user = (self._cache(name) for name in CACHES)
        return Walls(
            owner=order.account,
            trusted=order.trusted,
            reads=(self._package, *([shared] if shared else [])),
            writes=(user,) if user else (),
            ground=str(self.folders.ground),
            interpreter=order.interpreter,
            entry=entry if order.interpreter and entry.endswith(".py") else "",
            preload=order.preload,
            reentrant=order.reentrant,
            cores=order.device.cores,
            memory_bytes=order.device.memory_bytes,
            image=order.image,
            runtime=order.runtime,
        )

    def _environment(self) -> dict[str, str]:
        """Everything the program sees: the contract, and what any program needs to start. Nothing of the server's."""
        shape = contract.FOLDERS[self.order.attempt.task.role]
        params = self._params_file()
        temporary = str(self.folders.temporary)
        base = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": temporary, "TMPDIR": temporary, "PYTHONUNBUFFERED": "1"}
        return {
            **self.order.secrets,
            **base,
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict.fromkeys(contract.THREADS, str(max(1, int(self.order.device.cores)))),
            **self.order.env,
            **{name: self._cache(name) for name in CACHES if name in self.order.env},
            **self._index(),
            **{name: str(self.folders.reads) for name in shape.reads},
            shape.writes: str(self.folders.writes),
            contract.PARAMS_FILE: params,
            **({} if len(self.order.params) > contract.MAX_PARAMS_BYTES else {shape.params: self.order.params}),
        }

    def _params_file(self) -> str:
        """Where the params are, written unless they are there."""
        place, params = f"{self.folders.scratch}/{PARAMS}", self.order.params
        if self._workplace is None or self._workplace.params != params:
            Path(place).write_text(params, encoding="utf-8")
        if self._workplace is not None:
            self._workplace = replace(self._workplace, params=params)
        return place

    def _index(self) -> dict[str, str]:
        """The results index of an assembler, as a copy among its own folders."""
        if contract.RESULTS_INDEX not in self.order.env:
            return {}
        index = self.folders.scratch / "index.json"
        with (
            self.blobs.open(self.blobs.at(self.order.env[contract.RESULTS_INDEX])) as source,
            index.open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy)
        return {contract.RESULTS_INDEX: str(index)}

    def _cache(self, name: str) -> str:
        """A cache of programs on this machine's disk; "" where the order has none."""
        told = self.order.env.get(name, "")
        if not told or Path(told).is_absolute():
            return told
        place = self.blobs.at(told)
        self._effects.make_folder(place)
        return str(place)

    def wait_s(self) -> float:
        """Seconds until `on_time` wants to be called."""
        until = self._deadline if self._kill_at is None else self._kill_at
        return max(0.0, until - self._clock.monotonic())

    def on_output(self) -> bool:
        """Take what the program printed; says whether there may be more."""
        assert self.running is not None
        try:
            data = os.read(self.running.output(), READ_BYTES)
        except BlockingIOError:
            return False
        self._log.feed(data)
        if self._log.printed_bytes > self.rules.max_log_bytes and not self.order.trusted:
            self._end_for(Reason.LOG_LIMIT, f"it printed too much (limit {size_text(self.rules.max_log_bytes)})")
        return bool(data)

    def on_beat(self) -> None:
        """Called twice a second while the program runs."""
        self._log.keep_open()
        if self.running is not None:
            self._memory_bytes = max(self._memory_bytes, self.running.memory_bytes())
        for watch in () if self.order.trusted else self._watches:
            watch.on_beat()
            if watch.told:
                self._end_for(Reason.DISK_LIMIT, watch.told)

    def on_time(self) -> None:
        """A moment that `wait_s` named has come: the time limit, or the end of the grace after TERM."""
        assert self.running is not None
        now = self._clock.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                self.running.kill()
        elif now >= self._deadline:
            self.stop(Reason.TIMED_OUT)

    def stop(self, why: Reason) -> None:
        """End the program: TERM now, KILL after the grace. Safe to repeat."""
        if self._kill_at is not None or self._has_ended:
            return
        self._why = why
        if self.running is None:
            return
        self._kill_at = self._clock.monotonic() + self._kill_grace_s
        self.running.terminate()

    def _end_for(self, limit: Reason, told: str) -> None:
        """End the program, which passed a limit, at once."""
        if self._limit is None:
            self._limit = (limit, told)
            if not self._has_ended and self.running is not None:
                self.running.kill()

    def on_end(self) -> None:
        """The program has ended: take its end, publish or drop its result, and clean up."""
        settle([(self, self.take_end())])

    def take_end(self) -> Ended:
        """End what the program left behind and take its last words; afterwards another one may be started."""
        assert self.running is not None
        ended = self.running.reap()
        self._has_ended = True
        self._ended_at = self._clock.now()
        self._ran_s = self._clock.monotonic() - self._deadline + self.order.timeout_s
        self.running.kill()  # first: an orphan that goes on printing would have the last word for ever
        while self.on_output():
            pass
        self.running.close()
        self.running = None
        self._log.close()
        return ended

    def clean(self) -> None:
        """Bring its log to rest, and remove its scratch folder or leave it to the next attempt."""
        with contextlib.suppress(Unavailable):  # then it stays on this machine's disk
            for file in self._log.files:
                self.blobs.take(file)
        with contextlib.suppress(OutOfSpace):
            if self._workplaces is not None and self._workplace is not None and isinstance(self.outcome, Succeeded):
                self._workplaces.give_back(self._workplace)
            else:
                self._effects.remove_tree(self.folders.scratch)

    def judge(self, ended: Ended) -> bool:
        """Tell what its end means; says whether it ended well, so that its result decides."""
        if self._why in (Reason.ABORTED, Reason.GIVEN_BACK):
            self.outcome = GivenBack(self.order.attempt, self._time_of_end(), self._usage(ended), self.started_at)
        elif self._why is Reason.TIMED_OUT:
            self.fail(Reason.TIMED_OUT, f"it ran longer than its limit of {self.order.timeout_s:g} s", ended)
        elif self._limit is not None:
            self.fail(*self._limit, ended)
        elif ended.start_errno:
            self._cannot_start(OSError(ended.start_errno, os.strerror(ended.start_errno)))
        elif failed := why_failed(ended, cause_of(self._log.tail), self.rules, self.order.device.memory_bytes):
            self.fail(failed[0], self._with_last_words(failed[1]), ended)
        return self.outcome is None

    def succeed(self, result: ResultManifest, ended: Ended) -> None:
        """Its result is on disk under its name."""
        order, at, usage = self.order, self._time_of_end(), self._usage(ended, result.size_bytes)
        self.outcome = Succeeded(order.attempt, at, usage, self.started_at, self._runner, result=result)

    def _time_of_end(self) -> datetime:
        return self._ended_at or self._clock.now()

    def give_back(self, err: Unavailable, ended: Ended | None = None) -> None:
        """The job storage was away for longer than a runner waits: that is no failure of the program."""
        self._log.feed(f"[the attempt was given back: {err}]\n".encode())
        self._log.close()
        now = self._clock.now()
        self.outcome = GivenBack(self.order.attempt, now, self._usage(ended), self.started_at, self._runner)

    def _with_last_words(self, why: str) -> str:
        words = self._log.last_words()
        return f"{why}: {words}" if words else why

    def _usage(self, ended: Ended | None, bytes_out: int = 0) -> Usage:
        if ended is None:
            return Usage(bytes_in=self._given.size_bytes)
        memory = max(self._memory_bytes, ended.max_memory_bytes)
        ran_us = max(0, round(self._ran_s * 1_000_000))
        return Usage(ended.cpu_s, memory, self._given.size_bytes, bytes_out, ended.isolation, ran_us)

    def fail(self, reason: Reason, message: str, ended: Ended | None = None, *, final: bool = False) -> None:
        """It ended for this reason."""
        self.outcome = ProgramFailed(
            attempt=self.order.attempt,
            at=self._time_of_end(),
            usage=self._usage(ended),
            started_at=self.started_at,
            runner=self._runner,
            reason=reason,
            message=self._mask(message),
            exit_code=ended.status if ended and ended.status >= 0 else None,
            final=final,
            cause=cause_of(self._log.tail),
        )

    def _cannot_start(self, err: OSError) -> None:
        if err.errno in DISK_IS_FULL:
            self.fail(Reason.DISK_FULL, f"the disk that holds '{self.folders.scratch}' is full; free some space")
            return
        entry = self.order.entrypoint
        said = {
            errno.ENOENT: f"'{entry}' or the program its first line names was not found",
            errno.EACCES: f"'{entry}' is not executable; type: chmod +x {entry}",
            errno.ENOEXEC: f"'{entry}' is neither a Python file nor starts with a line like #!/bin/sh",
        }
        message = said.get(err.errno or 0, f"'{entry}' could not be started: {err}")
        self.fail(Reason.CANNOT_START, message, final=err.errno in said)
