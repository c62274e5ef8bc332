"""The loop of a local runner: orders come in on a socket, one runs at a time, reports go out. What became of those that
ended is settled beside it, while the next one runs.

Everything waits in one place (a selector over the socket, the program's output and its end), so a cancel or the end of
the server is seen at once. When the server is gone, the program is killed and the runner ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import socket
import threading
from collections import deque
from collections.abc import Sequence

from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.jobs.models import AttemptKey
from fanfold.jobs.task_lifecycle import GivenBack, Reason
from fanfold.ports.clock import Clock
from fanfold.ports.executor import RunOrder, Told
from fanfold.ports.platform import Platform, Rules
from fanfold.runner import messages
from fanfold.runner.disk_use import CacheWatches
from fanfold.runner.providing import Provider
from fanfold.runner.run import Run
from fanfold.runner.settling import Settler, settle
from fanfold.runner.storage import at_rest_here, storage_at
from fanfold.runner.workplaces import Workplaces

BEAT_S = 0.5
KEEP_EVERY_S = 600.0
RECEIVE_BYTES = 1 << 20


class RunnerLoop:
    """Serves one server over `channel` until it is told to end or the server is gone."""

    def __init__(
        self,
        channel: socket.socket,
        name: str,
        platform: Platform,
        effects: Effects,
        clock: Clock,
        kill_grace_s: float,
        *,
        rules: Rules,
        begun: int | None = None,
    ) -> None:
        """`begun` is a file, in which its server reads after its death which attempt it began last."""
        self._channel = channel
        self._name = name
        self._platform = platform
        self._effects = effects
        self._clock = clock
        self._kill_grace_s = kill_grace_s
        self._rules = rules
        self._caches = CacheWatches(rules.max_cache_bytes, rules.max_files, clock)
        self._begun = begun
        self._workplaces = Workplaces(effects)
        self._settler = Settler(self._report, self._break)
        self._selector = selectors.DefaultSelector()
        self._buffer = b""
        self._blobs = at_rest_here(effects)
        self._provider = Provider(effects)
        self._waiting: deque[RunOrder] = deque()
        self._run: Run | None = None
        self._told_start = False
        self._beat_at = clock.monotonic() + BEAT_S
        self._keep_at = self._beat_at
        self._open = True
        self._speaking = threading.Lock()
        self._ended = threading.Event()

    def serve(self) -> None:
        """Work until told to end."""
        self._selector.register(self._channel, selectors.EVENT_READ, self._on_channel)
        self._say({"is": "ready", "pid": os.getpid()})
        threading.Thread(target=self._beat, name="fanfold-beat", daemon=True).start()
        while self._open:
            for key, _ in self._selector.select(self._wait_s()):
                key.data()
            self._on_time()
            self._start_next()
        self._end()
        if self._settler.broken is not None:
            raise self._settler.broken

    def _wait_s(self) -> float:
        until_beat = max(0.0, self._beat_at - self._clock.monotonic())
        if self._run is not None and self._run.running is not None:
            return min(until_beat, self._run.wait_s())
        return until_beat

    def _on_time(self) -> None:
        if self._run is not None and self._run.running is not None and self._run.wait_s() <= 0.0:
            self._run.on_time()
        if self._clock.monotonic() >= self._beat_at:
            self._beat_at = self._clock.monotonic() + BEAT_S
            self._tell_start()
            if self._run is not None and self._run.running is not None:
                self._run.on_beat()
                self._keep_package(self._run.order)
            self._platform.tidy()
            if self._run is None and not self._waiting:
                self._workplaces.drop()

    def _keep_package(self, order: RunOrder) -> None:
        """What a long program is of is used, too: it is not to be swept away meanwhile."""
        if self._clock.monotonic() >= self._keep_at and self._blobs.at_once > 1:
            self._keep_at = self._clock.monotonic() + KEEP_EVERY_S
            package = self._blobs.at(order.package)
            if package.is_relative_to(self._blobs.root):
                with contextlib.suppress(OSError):
                    os.utime(package)

    def _tell_start(self) -> None:
        """Say once that a program runs; one that ends before the next beat tells it with its end."""
        run = self._run
        if run is not None and run.started_at is not None and not self._told_start:
            self._told_start = True
            self._say(messages.told_json(Told(run.order.attempt, True, run.started_at, self._name)))

    def _on_channel(self) -> None:
        try:
            data = self._channel.recv(RECEIVE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            self._open = False
            return
        found, self._buffer = messages.split_lines(self._buffer + data)
        for message in found:
            self._obey(message)

    def _obey(self, message: messages.Message) -> None:
        match message["do"]:
            case "use":
                self._use(message)
            case "run":
                self._waiting.append(messages.order_of(message))
            case "cancel":
                self._cancel(messages.attempt_of(message["attempt"]))
            case "give_back":
                back = [messages.attempt_json(order.attempt) for order in self._waiting]
                self._waiting.clear()
                self._say({"is": "given_back", "attempts": back})
            case "end":
                self._open = False

    def _use(self, message: messages.Message) -> None:
        """Job data is at rest there; nobody wants it once the server is gone."""
        place, root = messages.storage_of(message)
        self._provider = Provider(self._effects, messages.environments_of(message))
        self._blobs = storage_at(place, self._effects, root, lambda: not self._open)

    def _cancel(self, attempt: AttemptKey) -> None:
        if self._run is not None and self._run.order.attempt == attempt:
            self._run.stop(Reason.ABORTED)
            return
        for order in [order for order in self._waiting if order.attempt == attempt]:
            self._waiting.remove(order)
            self._say(messages.outcome_json(GivenBack(attempt, self._clock.now(), runner=self._name)))

    def _start_next(self) -> None:
        while self._run is None and self._waiting and self._open:
            run = self._new_run(self._waiting.popleft())
            self._run, self._told_start = run, False
            if self._begun is not None:
                os.pwrite(self._begun, messages.mark_of(run.order.attempt), 0)
            run.begin(self._listen)
            if run.running is None:
                run.clean()
                self._run = None
                self._report([run])
            else:
                self._selector.register(run.running.output(), selectors.EVENT_READ, self._on_output)
                self._selector.register(run.running.ended_fd(), selectors.EVENT_READ, self._on_end)

    def _new_run(self, order: RunOrder) -> Run:
        run = Run(
            order,
            self._platform,
            self._effects,
            self._clock,
            self._name,
            self._kill_grace_s,
            rules=self._rules,
            blobs=self._blobs,
        )
        run.work_at(self._workplaces)
        run.provide_by(self._provider)
        if contract.USER_CACHE_DIR in order.env:
            run.watch(self._caches.of(str(self._blobs.at(order.env[contract.USER_CACHE_DIR]))))
        return run

    def _listen(self) -> None:
        """Obey what came while an input is fetched; without a server nobody wants it."""
        while self._open and select.select([self._channel], [], [], 0)[0]:
            self._on_channel()
        if not self._open and self._run is not None:
            self._run.stop(Reason.ABORTED)

    def _on_output(self) -> None:
        if self._run is not None and self._run.running is not None and not self._run.on_output():
            self._watch_output_no_more(self._run.running.output())

    def _watch_output_no_more(self, descriptor: int) -> None:
        """The program closed its output; it may go on without."""
        self._selector.unregister(descriptor)

    def _on_end(self) -> None:
        run = self._run
        if run is None or run.running is None:
            return
        for descriptor in (run.running.output(), run.running.ended_fd()):
            if descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)
        self._run = None
        if self._rules.isolation != "on" and not run.order.image:
            # The next program could kill this runner, and would take this one's result along.
            settle([(run, run.take_end())])
            self._report([run])
            return
        self._settler.add(run, run.take_end(), more=bool(self._waiting))
        if not self._waiting:
            self._say({"is": "free", "attempt": messages.attempt_json(run.order.attempt)})

    def _report(self, runs: Sequence[Run]) -> None:
        """Tell how attempts ended; called by the settler, too."""
        ended = [run for run in runs if run.outcome is not None]
        for run in ended:
            self._effects.about_to("report", run.order.attempt.name)
        self._say(*(messages.outcome_json(run.outcome) for run in ended if run.outcome is not None))

    def _break(self) -> None:
        """End: what settles results is broken."""
        self._channel.shutdown(socket.SHUT_RDWR)

    def _beat(self) -> None:
        """Say that this process lives, also while its loop copies, hashes or syncs for longer than a lease."""
        while not self._ended.wait(BEAT_S):
            self._say({"is": "beat"})

    def _say(self, *said: messages.Message) -> None:
        data = b"".join(map(messages.line, said))
        try:
            with self._speaking:
                self._channel.sendall(data)
        except OSError:  # the server is gone: the loop reads its end from the same socket
            self._open = False

    def _end(self) -> None:
        """The server wants no more, or is gone: nothing of a program may outlive this runner."""
        if self._run is not None and self._run.running is not None:
            self._run.running.kill()
            self._run.clean()
        self._settler.close()
        self._workplaces.drop()
        self._platform.close()
        self._ended.set()
        self._channel.close()


def ignore_terminal_signals() -> None:
    """Ctrl-C in a terminal reaches the whole group; what ends a runner is its server."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
