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
from datetime import datetime
from functools import partial
from pathlib import Path

from fanfold.effects import DISK_IS_FULL, Effects
from fanfold.errors import OutOfSpace, Unavailable
from fanfold.jobs import contract
from fanfold.jobs.failures import cause_of
from fanfold.jobs.models import ResultManifest, Usage
from fanfold.jobs.secrets import Masker
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, ProgramFailed, Reason, Succeeded
from fanfold.ports.blobs import Blobs
from fanfold.ports.clock import Clock
from fanfold.ports.executor import RunOrder
from fanfold.ports.platform import Ended, Platform, Program, Rules, Running, Walls
from fanfold.runner.disk_use import DiskWatch, Use, size_text
from fanfold.runner.folders import folders_of, place_of
from fanfold.runner.logs import AttemptLog
from fanfold.runner.staging import (
    BadResult,
    ChunkChanged,
    SourceAway,
    Staged,
    TooLarge,
    is_small,
    stage_in,
    stage_out,
)
from fanfold.runner.storage import at_rest_here
from fanfold.runner.verdict import why_failed

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
        self._blobs = blobs or at_rest_here(effects)
        self.started_at: datetime | None = None
        self.outcome: Outcome | None = None
        self.running: Running | None = None
        self._platform = platform
        self._effects = effects
        self._clock = clock
        self._runner = runner
        self._kill_grace_s = kill_grace_s
        self._rules = rules or Rules()
        self._folders = folders_of(order, place_of(runner, os.getpid()), self._blobs.root)
        self._mask = Masker(order.secrets.values())
        self._log = AttemptLog(self._folders.logs, order.attempt.name, clock, effects, self._mask)
        self._given = Staged()
        self._package = order.package
        self._memory_bytes = 0
        self._deadline = 0.0
        self._ran_s = 0.0
        self._kill_at: float | None = None
        self._why: Reason | None = None
        self._has_ended = False
        self._limit: tuple[Reason, str] | None = None
        self._watches: list[DiskWatch] = []

    def watch(self, watch: DiskWatch) -> None:
        """End the program too when this tells that a limit was passed."""
        self._watches.append(watch)

    def begin(self, listen: Callable[[], None] = lambda: None) -> None:
        """Stage in and start; afterwards it is `running`, or has an `outcome` already. Where that takes long, `listen`
        is called again and again, and may `stop` it."""
        try:
            self._make_folders()
            self._package = str(self._blobs.program(self._blobs.at(self.order.package)))
            unwanted = partial(self._unwanted, listen)
            self._given = stage_in(self.order, self._folders.reads, self._effects, unwanted, self._blobs)
            if self._why is None:
                self.running = self._platform.start(self._program())
        except ChunkChanged as err:
            self._fail(Reason.CHUNK_CHANGED, str(err), final=True)
        except SourceAway as err:
            self._fail(Reason.SOURCE_UNAVAILABLE, str(err))
        except OutOfSpace as err:
            self._fail(Reason.DISK_FULL, str(err))
        except Unavailable as err:
            self._give_back(err)
        except OSError as err:
            self._cannot_start(err)
        else:
            self._begun()

    def _begun(self) -> None:
        if self.running is None:  # stopped meanwhile
            self.outcome = GivenBack(self.order.attempt, self._clock.now())
            return
        self.started_at = self._clock.now()
        self._deadline = self._clock.monotonic() + self.order.timeout_s
        self.watch(self._watch_of_its_own())

    def _watch_of_its_own(self) -> DiskWatch:
        rules, given = self._rules, Use(self._given.size_bytes, self._given.entries)
        return DiskWatch(self._folders.scratch, rules.max_disk_bytes, rules.max_files, self._clock, given=given)

    def _unwanted(self, listen: Callable[[], None]) -> bool:
        listen()
        return self._why is not None

    def _make_folders(self) -> None:
        if self._folders.scratch.exists():
            self._effects.remove_tree(self._folders.scratch)
        self._effects.make_folder(self._folders.reads)
        if self._blobs.at_once > 1:  # here nobody made the job's folder before
            self._effects.make_folder(self._folders.logs)
        self._folders.writes.mkdir()
        self._folders.temporary.mkdir()

    def _program(self) -> Program:
        order, folders = self.order, self._folders
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
            ground=str(self._folders.ground),
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
        params = self._folders.scratch / "params.json"
        params.write_text(self.order.params, encoding="utf-8")
        temporary = str(self._folders.temporary)
        base = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": temporary, "TMPDIR": temporary, "PYTHONUNBUFFERED": "1"}
        return {
            **self.order.secrets,
            **base,
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict.fromkeys(contract.THREADS, str(max(1, int(self.order.device.cores)))),
            **self.order.env,
            **{name: self._cache(name) for name in CACHES if name in self.order.env},
            **self._index(),
            **{name: str(self._folders.reads) for name in shape.reads},
            shape.writes: str(self._folders.writes),
            contract.PARAMS_FILE: str(params),
            **({} if len(self.order.params) > contract.MAX_PARAMS_BYTES else {shape.params: self.order.params}),
        }

    def _index(self) -> dict[str, str]:
        """The results index of an assembler, as a copy among its own folders."""
        if contract.RESULTS_INDEX not in self.order.env:
            return {}
        index = self._folders.scratch / "index.json"
        with (
            self._blobs.open(self._blobs.at(self.order.env[contract.RESULTS_INDEX])) as source,
            index.open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy)
        return {contract.RESULTS_INDEX: str(index)}

    def _cache(self, name: str) -> str:
        """A cache of programs on this machine's disk; "" where the order has none."""
        told = self.order.env.get(name, "")
        if not told or Path(told).is_absolute():
            return told
        place = self._blobs.at(told)
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
        if self._log.printed_bytes > self._rules.max_log_bytes and not self.order.trusted:
            self._end_for(Reason.LOG_LIMIT, f"it printed too much (limit {size_text(self._rules.max_log_bytes)})")
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
        self.settle(self.take_end())

    def take_end(self) -> Ended:
        """End what the program left behind and take its last words; afterwards another one may be started."""
        assert self.running is not None
        ended = self.running.reap()
        self._has_ended = True
        self._ran_s = self._clock.monotonic() - self._deadline + self.order.timeout_s
        self.running.kill()  # first: an orphan that goes on printing would have the last word for ever
        while self.on_output():
            pass
        self.running.close()
        self.running = None
        self._log.close()
        return ended

    def settles_soon(self) -> bool:
        """Whether `settle` takes but a moment: meanwhile nobody reads what another program prints."""
        return is_small(self._folders.writes)

    def settle(self, ended: Ended) -> None:
        """Publish or drop what it made, and clean up."""
        self._judge(ended)
        self.clean()

    def clean(self) -> None:
        """Bring its log to rest, and remove its scratch folder."""
        with contextlib.suppress(Unavailable):  # then it stays on this machine's disk
            for file in self._log.files:
                self._blobs.take(file)
        with contextlib.suppress(OutOfSpace):
            self._effects.remove_tree(self._folders.scratch)

    def _judge(self, ended: Ended) -> None:
        if self._why in (Reason.ABORTED, Reason.GIVEN_BACK):
            self.outcome = GivenBack(self.order.attempt, self._clock.now(), self._usage(ended), self.started_at)
        elif self._why is Reason.TIMED_OUT:
            self._fail(Reason.TIMED_OUT, f"it ran longer than its limit of {self.order.timeout_s:g} s", ended)
        elif self._limit is not None:
            self._fail(*self._limit, ended)
        elif ended.start_errno:
            self._cannot_start(OSError(ended.start_errno, os.strerror(ended.start_errno)))
        elif failed := why_failed(ended, cause_of(self._log.tail), self._rules, self.order.device.memory_bytes):
            self._fail(failed[0], self._with_last_words(failed[1]), ended)
        else:
            self._publish(ended)

    def _publish(self, ended: Ended) -> None:
        try:
            manifest = self._staged_out()
        except TooLarge as err:
            self._fail(Reason.DISK_LIMIT, str(err), ended)
        except BadResult as err:
            self._fail(Reason.BAD_RESULT, str(err), ended)
        except OutOfSpace as err:
            self._fail(Reason.DISK_FULL, str(err), ended)
        except Unavailable as err:
            self._give_back(err, ended)
        except OSError as err:
            self._fail(*_untaken(err), ended)
        else:
            usage = self._usage(ended, manifest.size_bytes)
            self.outcome = Succeeded(
                self.order.attempt, self._clock.now(), usage, self.started_at, self._runner, result=manifest
            )

    def _staged_out(self) -> ResultManifest:
        most = None if self.order.trusted else self._rules.max_disk_bytes
        return stage_out(self._folders.writes, self._folders.published, self._blobs, self.order.hash_results, most)

    def _give_back(self, err: Unavailable, ended: Ended | None = None) -> None:
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

    def _fail(self, reason: Reason, message: str, ended: Ended | None = None, *, final: bool = False) -> None:
        self.outcome = ProgramFailed(
            attempt=self.order.attempt,
            at=self._clock.now(),
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
            self._fail(Reason.DISK_FULL, f"the disk that holds '{self._folders.scratch}' is full; free some space")
            return
        entry = self.order.entrypoint
        said = {
            errno.ENOENT: f"'{entry}' or the program its first line names was not found",
            errno.EACCES: f"'{entry}' is not executable; type: chmod +x {entry}",
            errno.ENOEXEC: f"'{entry}' is neither a Python file nor starts with a line like #!/bin/sh",
        }
        message = said.get(err.errno or 0, f"'{entry}' could not be started: {err}")
        self._fail(Reason.CANNOT_START, message, final=err.errno in said)


def _untaken(err: OSError) -> tuple[Reason, str]:
    """Why a result could not be published: a full disk, or what the program did to its folder."""
    reason = Reason.DISK_FULL if err.errno in DISK_IS_FULL else Reason.BAD_RESULT
    return reason, f"the result cannot be taken: {err}"
