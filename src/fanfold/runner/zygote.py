"""The inner part of a sandbox: a small process that starts programs, by a fork of itself where it can.

    python zygote.py <descriptor of a socket, or its path: it then sends the descriptor of the output, too>

It runs on the program's own interpreter, so it imports nothing of Fanfold and little of the standard library. Orders
come marshalled, each after its length; answers are lines of plain text, since whoever reads them must not trust them:

    ended <exit status> <CPU in µs> <peak memory in KiB> <errno of a start that failed> <clean or dirty>

A warm run is a fork that executes the entry point, compiled before, as `__main__`. What it sees and how it ends is what
a fresh interpreter would show; `tests/conformance/test_warm_starts.py` compares them. A cold run is a fork and an exec,
or, where this process can have all of a program's limits itself, a spawn, which copies nothing.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import select
import signal
import sys
import time
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fanfold.runner import becoming, starting
else:
    becoming, starting = types.ModuleType("becoming"), types.ModuleType("starting")

CLEARLY_NS = 50_000_000
"""A folder that changed so long before is seen to change again; clocks of file systems may tick as slowly as that."""

OTHER_FILES = tuple(os.path.join(os.path.dirname(__file__), name) for name in ("becoming.py", "starting.py"))


def load(module: types.ModuleType, path: str) -> None:
    """Execute a file beside this one, which no path of modules leads to, as a module that is known to nobody else."""
    from importlib.machinery import SourceFileLoader

    module.__file__ = path
    code = SourceFileLoader(module.__name__, path).get_code(module.__name__)
    assert code is not None
    exec(code, module.__dict__)


if not TYPE_CHECKING:
    for _module, _path in zip((becoming, starting), OTHER_FILES):  # noqa: B905 - older interpreters know no `strict`
        load(_module, _path)
LENGTH_BYTES = becoming.LENGTH_BYTES


class Zygote:
    """Serves one runner until the socket closes."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        os.set_inheritable(channel, False)
        self.first_to_go = starting.FirstToGo()
        self.setup = self.order() or {}
        self.codes: dict[str, types.CodeType] = {}
        self.kept: dict[str, set[str]] = {}
        self.untouched: dict[str, int] = {}
        self.prepared_us = 0
        self.pipes: tuple[int, int] | None = None
        self.worker: Worker | None = None
        self.loaded: becoming.Loaded

    def order(self) -> dict[str, Any] | None:
        """The next order; None when the runner is gone."""
        return becoming.read_order(self.channel)

    def say(self, text: str) -> None:
        os.write(self.channel, text.encode() + b"\n")

    def prepare(self) -> None:
        """Become who the program shall be, import what it will, compile it."""
        if self.setup["uid"]:
            os.setgroups([])
            os.setresgid(*[self.setup["uid"]] * 3)
            os.setresuid(*[self.setup["uid"]] * 3)
        self.kept = {folder: set(os.listdir(folder)) for folder in self.setup["shared"]}
        changed = {folder: os.stat(folder).st_ctime_ns for folder in self.setup["shared"]}
        before = time.time_ns() - CLEARLY_NS
        self.untouched = {folder: at for folder, at in changed.items() if at < before}
        os.umask(0o022)
        starting.fresh_signals()
        if self.setup["entry"] and not self.warmed():
            self.codes.clear()
        self.loaded = becoming.Loaded()
        gc.collect()
        gc.freeze()
        self.prepared_us = becoming.used_us(resource.getrusage(resource.RUSAGE_SELF))  # counted to the first program

    def warmed(self) -> bool:
        """Import and compile; says whether programs can be forked from here."""
        entry = self.setup["entry"]
        if becoming.has_script_folder():
            del sys.path[0]
        for name in self.setup["modules"]:
            try:
                __import__(name)
            except BaseException:  # whatever an import does, the program shall meet it by itself
                return False
        try:
            with open(entry, "rb") as file:
                self.codes[entry] = compile(file.read(), entry, "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError):
            return False
        return len(os.listdir("/proc/self/task")) == 1  # of threads, a fork has only the one that forks

    def serve(self) -> dict[str, Any] | None:
        """Start what is ordered, one program at a time."""
        while True:
            order = self.order()
            if order is None:
                return None
            if order["do"] != "run":  # a word about a program that has ended meanwhile
                continue
            os.set_blocking(1, True)
            if self.setup["reentrant"] and order["entry"] in self.codes:
                if not self.gives(order):
                    if self.hire(order):
                        return order
                    self.gives(order)
                self.lend()
                continue
            if order["entry"] in self.codes:  # here, since a fork would copy all that it lies in
                becoming.set_environment(order["env"])
            elif starting.can_spawn(order) and self.spawn(order):
                continue
            failed, told = os.pipe()
            pid = self.fork()
            if pid == 0:
                os.close(failed)
                return self.become(order, told)
            os.close(told)
            ended = self.watch(pid)
            number = int(os.read(failed, 16) or b"0")
            os.close(failed)
            self.tell_end(*ended, number)

    def spawn(self, order: dict[str, Any]) -> bool:
        """Start a program with this process's limits, and see to it; says whether this interpreter can do that."""
        try:
            becoming.set_environment(order["env"])  # its PATH is what counts
            pid = starting.spawned(order, self.first_to_go)
        except NotImplementedError:  # it was built for an older C library
            return False
        except (OSError, ValueError) as err:
            self.tell(starting.NOT_STARTED, 0, 0, getattr(err, "errno", None) or errno.EINVAL)
        else:
            self.tell_end(*self.watch(pid))
        return True

    def fork(self) -> int:
        """As `os.fork`; the child has nothing more to do with a runner."""
        pid = self.first_to_go.forked()
        if pid == 0:
            os.close(self.channel)
        return pid

    def watch(self, running: int) -> tuple[int, resource.struct_rusage]:
        """Until the program has ended: pass signals on; then end what it left. Its status, and what it used."""
        ended = os.pidfd_open(running)
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        poll.register(ended, select.POLLIN)
        while ended not in [descriptor for descriptor, _ in poll.poll()]:
            self.pass_on(running)
        _, status, usage = os.wait4(running, 0)
        os.close(ended)
        self.end_all()
        return status, usage

    def tell_end(self, status: int, usage: resource.struct_rusage, number: int = 0) -> None:
        self.tell(os.waitstatus_to_exitcode(status), becoming.used_us(usage), usage.ru_maxrss, number)

    def tell(self, status: int, used_us: int, peak_kib: int, number: int) -> None:
        """Clean up, and say how a program ended."""
        used_us += self.prepared_us
        self.prepared_us = 0
        clean = "clean" if self.clean() else "dirty"
        self.say(f"ended {status} {used_us} {peak_kib} {number} {clean}")

    def hire(self, order: dict[str, Any]) -> bool:
        """Fork the process that runs chunk after chunk; says whether this is that."""
        orders, send = os.pipe()
        hear, answers = os.pipe()
        pid = self.fork()
        if pid == 0:
            for descriptor in (send, hear):
                os.close(descriptor)
            self.settle(order)
            self.pipes = (orders, answers)
            return True
        for descriptor in (orders, answers):
            os.close(descriptor)
        self.worker = Worker(pid, os.pidfd_open(pid), send, hear)
        return False

    def gives(self, order: dict[str, Any]) -> bool:
        """Give the worker an order; says whether there is one that could take it. One that ended while it had nothing
        to do is buried, and costs no run."""
        worker = self.worker
        if worker is None:
            return False
        try:
            becoming.write_order(worker.orders, order)
        except BrokenPipeError:
            self.bury(worker)
            return False
        return True

    def lend(self) -> None:
        """Until the worker says that it has run its chunk, or has ended itself; pass signals on meanwhile."""
        worker = self.worker
        if worker is None:  # it did not come to its first order: a KILL alone ends it so soon
            self.tell(-signal.SIGKILL, 0, 0, 0)
            return
        poll = select.poll()
        for descriptor in (self.channel, worker.answers, worker.ended):
            poll.register(descriptor, select.POLLIN)
        ready: set[int] = set()
        while not ready & {worker.answers, worker.ended}:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self.channel in ready:
                self.pass_on(worker.pid)
        said = os.read(worker.answers, 64).split() if worker.answers in ready else []
        if len(said) == 2:
            self.end_all_but(worker.pid)
            self.tell(0, int(said[0]), int(said[1]), 0)
            worker.used_us += int(said[0])
        else:
            status, usage = self.bury(worker)
            used_us = max(0, becoming.used_us(usage) - worker.used_us)
            self.tell(os.waitstatus_to_exitcode(status), used_us, usage.ru_maxrss, 0)

    def bury(self, worker: Worker) -> tuple[int, resource.struct_rusage]:
        """The worker ended, or does as its pipe is closed; its status, and what it used."""
        self.worker = None
        _, status, usage = os.wait4(worker.pid, 0)
        for descriptor in (worker.orders, worker.answers, worker.ended):
            os.close(descriptor)
        self.end_all()
        return status, usage

    def end_all_but(self, worker: int) -> None:
        """KILL to everything in this namespace but its first process, this one and the worker."""
        kept = {1, os.getpid(), worker}
        while self.setup["own_pids"]:
            others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in kept]
            if not others:
                return
            for pid in others:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            select.select((), (), (), 0.0005)

    def pass_on(self, running: int) -> None:
        """Read a signal from the runner and send it to the program's group; KILL to all that it started."""
        order = self.order()
        number = signal.SIGKILL if order is None else order["signal"]
        try:
            os.killpg(running, number)
        except ProcessLookupError:  # it has no group of its own yet
            os.kill(running, number)
        if number == signal.SIGKILL and self.setup["own_pids"]:
            os.kill(-1, number)  # once: the program is there, dead, until `watch` or `bury` takes its end
        if order is None:
            os._exit(0)

    def end_all(self) -> None:
        """KILL to everything in this namespace but its first process and this one; elsewhere the runner does that."""
        if not self.setup["own_pids"]:
            return
        while True:
            try:
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                return
            select.select((), (), (), 0.0005)

    def clean(self) -> bool:
        """Empty the folders that all programs share; says whether they are empty and nothing else was left."""
        for folder, kept in self.kept.items():
            changed = os.stat(folder).st_ctime_ns
            if changed == self.untouched.get(folder):
                continue
            self.untouched.pop(folder, None)
            for name in os.listdir(folder):
                if name not in kept and not removed(os.path.join(folder, name)):
                    return False
            if changed < time.time_ns() - CLEARLY_NS:  # a removal has changed the time: this one then matches no more
                self.untouched[folder] = changed
        return not self.setup["own_pids"] or not any(map(has_more_than_a_head, IPC_LISTS))

    def become(self, order: dict[str, Any], told: int) -> dict[str, Any]:
        """In the child: be the program. Returns the code to execute, or does not return."""
        try:
            self.settle(order)
            if order["entry"] in self.codes:
                os.close(told)
                return order
            for number in starting.UNLIKE_OTHERS:
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - that is its duty
        except OSError as err:
            os.write(told, b"%d" % (err.errno or errno.EINVAL))
        os._exit(starting.NOT_STARTED)

    def settle(self, order: dict[str, Any]) -> None:
        """In the child: its session, folder and limits."""
        os.setsid()
        os.chdir(order["cwd"])
        starting.limit(order["limits"])


class Worker:
    """A process that runs chunk after chunk, and the pipes and the descriptor by which it is known."""

    def __init__(self, pid: int, ended: int, orders: int, answers: int) -> None:
        self.pid = pid
        self.ended = ended
        self.orders = orders
        self.answers = answers
        self.used_us = 0


IPC_LISTS = ("/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg")


def has_more_than_a_head(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.read(descriptor, 4096).count(b"\n") > 1
    finally:
        os.close(descriptor)


def removed(path: str) -> bool:
    """Remove a file or a whole folder; says whether it is gone."""
    try:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            return True
        os.chmod(path, 0o700)
        if not all(removed(os.path.join(path, name)) for name in os.listdir(path)):
            return False
        os.rmdir(path)
        return True
    except (OSError, RecursionError):
        return False


def connected(door: str) -> int:
    """The socket behind a path, in a container; what it sends first becomes standard output and error."""
    import _socket

    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    channel.connect(door)
    _, sent, _, _ = channel.recvmsg(1, _socket.CMSG_SPACE(4))
    output = int.from_bytes(sent[0][2], sys.byteorder)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    return channel.detach()


def leave_a_reaper() -> None:
    """The first process of a container reaps the others and ends with its zygote, which is a child of it."""
    zygote = os.fork()
    while zygote:
        ended, _ = os.wait()
        if ended == zygote:
            os._exit(0)


if __name__ == "__main__":
    if os.getpid() == 1:
        leave_a_reaper()
    _zygote = Zygote(int(sys.argv[1]) if sys.argv[1].isdigit() else connected(sys.argv[1]))
    _zygote.prepare()
    _order = _zygote.serve()
    if _order is not None and _zygote.pipes:
        becoming.Repeating(
            _zygote.codes[_order["entry"]], _zygote.pipes, _zygote.setup["memory"], _zygote.loaded
        ).serve()
    if _order is not None:
        becoming.run_as_main(_zygote.codes[_order["entry"]], _order, _zygote.loaded)
