"""The inner part of a sandbox: a small process that starts programs, by a fork of itself where it can.

    python zygote.py <descriptor of a socket>

It runs on the program's own interpreter, so it imports nothing of Fanfold and little of the standard library. Orders
come marshalled, each after its length; answers are lines of plain text, since whoever reads them must not trust them:

    ended <exit status> <CPU in µs> <peak memory in KiB> <errno of a start that failed> <clean or dirty>

A warm run is a fork that executes the entry point, compiled before, as `__main__`. What it sees and how it ends is what
a fresh interpreter would show; `tests/conformance/test_warm_starts.py` compares them. A cold run is a fork and an exec.
"""

from __future__ import annotations

import errno
import gc
import marshal
import os
import resource
import select
import signal
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

LENGTH_BYTES = 4
_FATAL = 1
_FLUSH_FAILED = 120


class Zygote:
    """Serves one runner until the socket closes."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.setup = self.order() or {}
        self.codes: dict[str, types.CodeType] = {}
        self.kept: dict[str, set[str]] = {}
        self.prepared_us = 0

    def order(self) -> dict[str, Any] | None:
        """The next order; None when the runner is gone."""
        head = self.read(LENGTH_BYTES)
        if not head:
            return None
        order: dict[str, Any] = marshal.loads(self.read(int.from_bytes(head, "big")))  # noqa: S302 - from its runner
        return order

    def read(self, count: int) -> bytes:
        parts = []
        while count:
            part = os.read(self.channel, count)
            if not part:
                return b""
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def say(self, text: str) -> None:
        os.write(self.channel, text.encode() + b"\n")

    def prepare(self) -> None:
        """Become who the program shall be, import what it will, compile it."""
        if self.setup["uid"]:
            os.setgroups([])
            os.setresgid(*[self.setup["uid"]] * 3)
            os.setresuid(*[self.setup["uid"]] * 3)
        self.kept = {folder: set(os.listdir(folder)) for folder in self.setup["shared"]}
        os.umask(0o022)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.setup["entry"] and not self.warmed():
            self.codes.clear()
        gc.collect()
        gc.freeze()
        self.prepared_us = cpu_us(resource.getrusage(resource.RUSAGE_SELF))  # counted to the first program

    def warmed(self) -> bool:
        """Import and compile; says whether programs can be forked from here."""
        entry = self.setup["entry"]
        if has_script_folder():
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
            failed, told = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(self.channel)
                os.close(failed)
                return self.become(order, told)
            os.close(told)
            self.watch(pid, failed)

    def watch(self, running: int, failed: int) -> None:
        """Until the program has ended: pass signals on; then end what it left, clean up, and say how it went."""
        ended = os.pidfd_open(running)
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        poll.register(ended, select.POLLIN)
        while ended not in [descriptor for descriptor, _ in poll.poll()]:
            order = self.order()
            if order is None:
                self.signal_group(running, signal.SIGKILL)
                os._exit(0)
            self.signal_group(running, order["signal"])
        _, status, usage = os.wait4(running, 0)
        os.close(ended)
        self.end_all()
        number = int(os.read(failed, 16) or b"0")
        os.close(failed)
        cpu = cpu_us(usage) + self.prepared_us
        self.prepared_us = 0
        clean = "clean" if self.clean() else "dirty"
        self.say(f"ended {os.waitstatus_to_exitcode(status)} {cpu} {usage.ru_maxrss} {number} {clean}")

    def signal_group(self, running: int, number: int) -> None:
        try:
            os.killpg(running, number)
        except ProcessLookupError:
            pass
        if number == signal.SIGKILL:
            self.end_all()

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
            for name in os.listdir(folder):
                if name not in kept and not removed(os.path.join(folder, name)):
                    return False
        return not self.setup["own_pids"] or not any(map(has_more_than_a_head, IPC_LISTS))

    def become(self, order: dict[str, Any], told: int) -> dict[str, Any]:
        """In the child: be the program. Returns the code to execute, or does not return."""
        try:
            os.setsid()
            os.chdir(order["cwd"])
            for number, value in order["limits"]:
                limit(number, value)
            raise_oom_score()
            if order["entry"] in self.codes:
                os.close(told)
                return order
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - that is its duty
        except OSError as err:
            os.write(told, b"%d" % (err.errno or errno.EINVAL))
        os._exit(127)


IPC_LISTS = ("/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg")


def has_more_than_a_head(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read().count(b"\n") > 1
    except OSError:
        return False


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


def cpu_us(usage: resource.struct_rusage) -> int:
    return int((usage.ru_utime + usage.ru_stime) * 1e6)


def limit(number: int, value: int) -> None:
    _, hard = resource.getrlimit(number)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (most, most))


def raise_oom_score() -> None:
    """Where memory runs out the program goes, not the process that started it."""
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
            file.write(b"1000")
    except OSError:
        pass


def run_as_main(zygote: Zygote, order: dict[str, Any]) -> None:
    """Execute the entry point as a fresh interpreter would, and end as it would."""
    entry = order["entry"]
    before = set(sys.modules)
    code = zygote.codes[entry]
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[:] = order["argv"][order["argv"].index(entry) :]
    sys.orig_argv[:] = order["argv"]
    if has_script_folder():
        sys.path.insert(0, os.path.dirname(entry))
    main = types.ModuleType("__main__")
    set_up_main(main, entry)
    sys.modules["__main__"] = main
    reseed()
    status = ended_by(code, main)
    finish(status, main, before)


def has_script_folder() -> bool:
    """Whether the interpreter puts the folder of its script first on the path (-P and -I forbid it)."""
    return not (sys.flags.isolated or getattr(sys.flags, "safe_path", False))


def set_up_main(main: types.ModuleType, entry: str) -> None:
    import importlib.machinery

    main.__file__ = entry
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", entry)
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    if sys.version_info < (3, 15):
        main.__dict__["__cached__"] = None


def reseed() -> None:
    """`random` does so by itself after a fork."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def ended_by(code: types.CodeType, main: types.ModuleType) -> int:
    """The exit status a call ends with, told as the interpreter tells it."""
    try:
        exec(code, main.__dict__)
    except SystemExit as end:
        return exit_status(end.code)
    except BaseException as err:
        return told(err)
    return 0


def exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    flushed(sys.stdout)
    print(code, file=sys.stderr)
    return 1


def told(err: BaseException) -> int:
    """Print an error as the interpreter does, without the frames of this file."""
    frame = without_this_file(err)
    sys.last_type, sys.last_value, sys.last_traceback = type(err), err, frame
    if sys.version_info >= (3, 12):
        sys.last_exc = err
    try:
        sys.excepthook(type(err), err, frame)
    except SystemExit as end:
        return exit_status(end.code)
    except BaseException as failure:
        print("Error in sys.excepthook:", file=sys.stderr)
        failure.__context__ = None
        sys.__excepthook__(type(failure), failure, without_this_file(failure))
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(err), err, frame)
    return -signal.SIGINT if isinstance(err, KeyboardInterrupt) else 1


def without_this_file(err: BaseException) -> types.TracebackType | None:
    """An error's frames from where the program's own begin."""
    frame = err.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename == __file__:
        frame = frame.tb_next
    err.__traceback__ = frame
    return frame


def finish(status: int, main: types.ModuleType, before: set[str]) -> None:
    """What the end of an interpreter does: wait for threads, run exit handlers, flush, let go of what modules hold."""
    import atexit

    threading = sys.modules.get("threading")
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as err:
            told(err)
    atexit._run_exitfuncs()
    good = flushed(sys.stdout) & flushed(sys.stderr)
    if threading is not None:
        vars(threading)["excepthook"] = no_hook  # a daemon thread must not complain about what it finds gone
    let_go(main.__dict__)
    for name in [name for name in sys.modules if name not in before]:
        module = sys.modules.pop(name, None)
        if isinstance(module, types.ModuleType) and getattr(module, "__file__", None):
            let_go(module.__dict__)
    gc.collect()
    good = flushed(sys.stdout) & flushed(sys.stderr) & good
    flush_libraries()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status if good or status else _FLUSH_FAILED)


def no_hook(_: object) -> None:
    """Says nothing."""


def flush_libraries() -> None:
    """What libraries in C have printed into buffers of their own."""
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    if any(file.endswith(".so") and "-packages" in file for file in files):
        import ctypes

        ctypes.CDLL(None).fflush(None)


def let_go(names: dict[str, Any]) -> None:
    """Drop a module's values in the interpreter's order: names with one leading underscore, then the others."""
    for private in (True, False):
        for name in list(names):
            if (name[:1] == "_" and name[:2] != "__") is private and name != "__builtins__":
                names[name] = None


def flushed(stream: IO[str] | None) -> bool:
    try:
        if stream is not None and not stream.closed:
            stream.flush()
        return True
    except BaseException:
        return False


if __name__ == "__main__":
    _zygote = Zygote(int(sys.argv[1]))
    _zygote.prepare()
    _order = _zygote.serve()
    if _order is not None:
        run_as_main(_zygote, _order)
