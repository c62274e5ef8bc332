"""How a fork of the zygote becomes a program: what it sees, how it ends. Part of `zygote.py`, which loads it by path.

A program of a re-entrant block ends without its process: `Repeating` runs chunk after chunk in one, each as a fresh
`__main__` with its own arguments, environment and working directory. Modules stay imported. A run that fails, or leaves
anything behind that `look` sees, ends its process as any other program's, and the next chunk gets a new one.
"""

from __future__ import annotations

import atexit
import gc
import marshal
import os
import resource
import signal
import sys
import types
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, NoReturn

LENGTH_BYTES = 4
_FLUSH_FAILED = 120
_LIMITS = tuple(value for name, value in sorted(vars(resource).items()) if name.startswith("RLIMIT_"))
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_SIGNALS = tuple(range(1, signal.NSIG))


class Loaded:
    """The modules that are there before a program begins. A look at each copies the memory it lies in where that is
    shared with the process that was forked, so it is taken before the fork, or, over what is known `earlier`, not anew.
    """

    def __init__(self, earlier: Loaded | None = None) -> None:
        self.names = frozenset(sys.modules)
        self.last = next(reversed(sys.modules))
        names = list(sys.modules) if earlier is None else earlier.since()
        self.libraries: bool = has_libraries(names) or (earlier is not None and earlier.libraries)

    def since(self) -> list[str]:
        """The names of those that came later, in their order."""
        later = []
        for name in reversed(sys.modules):
            if name == self.last:
                break
            if name not in self.names:
                later.append(name)
        return later[::-1]


def has_libraries(names: list[str]) -> bool:
    """Whether one of these modules is in C, and not Python's own."""
    files = [getattr(sys.modules.get(name), "__file__", None) or "" for name in names]
    return any(file.endswith(".so") and "-packages" in file for file in files)


def run_as_main(code: types.CodeType, order: dict[str, Any], before: Loaded) -> NoReturn:
    """Execute the entry point as a fresh interpreter would, and end as it would."""
    main = set_up(order)
    finish(ended_by(code, main), main, before)


def set_environment(env: dict[str, str]) -> None:
    """Make it the environment; what is there already is left alone, for most of it is the same from run to run."""
    for name in [name for name in os.environ if name not in env]:
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def set_up(order: dict[str, Any]) -> types.ModuleType:
    """What a fresh interpreter would have, but for its environment; its `__main__`."""
    entry = order["entry"]
    sys.argv[:] = order["argv"][order["argv"].index(entry) :]
    sys.orig_argv[:] = order["argv"]
    if has_script_folder():
        sys.path.insert(0, os.path.dirname(entry))
    main = types.ModuleType("__main__")
    set_up_main(main, entry)
    sys.modules["__main__"] = main
    reseed()
    return main


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


def finish(status: int, main: types.ModuleType, before: Loaded) -> NoReturn:
    """What the end of an interpreter does: wait for threads, run exit handlers, flush, let go of what modules hold."""
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
    later = before.since()
    libraries = before.libraries or has_libraries(later)
    for name in later:
        module = sys.modules.pop(name, None)
        if isinstance(module, types.ModuleType) and getattr(module, "__file__", None):
            let_go(module.__dict__)
    gc.collect()
    good = flushed(sys.stdout) & flushed(sys.stderr) & good
    if libraries:
        flush_libraries()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status if good or status else _FLUSH_FAILED)


def no_hook(_: object) -> None:
    """Says nothing."""


def flush_libraries() -> None:
    """What libraries in C have printed into buffers of their own."""
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


class Repeating:
    """Runs one program again and again; `pipes` bring orders from its zygote and answers to it."""

    def __init__(self, code: types.CodeType, pipes: tuple[int, int], memory_bytes: int, loaded: Loaded) -> None:
        self.code = code
        orders, answers = pipes
        self.loaded = loaded
        self.orders = orders
        self.answers = answers
        self.memory_kib = memory_bytes // 1024
        self.pid = os.getpid()
        self.path = list(sys.path)
        self.first = self.look()

    def serve(self) -> NoReturn:
        """Until the zygote is gone, or a run is the last of this process."""
        while True:
            order = read_order(self.orders)
            if order is None:
                os._exit(0)
            used, (highest_kib, _) = cpu_us(), memory_kib()
            self.run(order)
            peak_kib, held_kib = memory_kib()
            if peak_kib == highest_kib:  # of an earlier run
                peak_kib = held_kib
            if held_kib > self.memory_kib // 2:  # what runs left in memory is not to fail a later one
                os._exit(0)
            os.write(self.answers, b"%d %d\n" % (cpu_us() - used, peak_kib))

    def run(self, order: dict[str, Any]) -> None:
        """One run; returns where it left nothing behind."""
        os.chdir(order["cwd"])
        sys.path[:] = self.path
        before = Loaded(self.loaded)
        set_environment(order["env"])
        main = set_up(order)
        with warnings.catch_warnings():
            status = ended_by(self.code, main)
        if os.getpid() != self.pid or status or has_more() or self.look() != self.first:
            finish(status, main, before)
        let_go(main.__dict__)
        let_go_of_handlers()
        gc.collect()
        if not (flushed(sys.stdout) & flushed(sys.stderr)):
            os._exit(_FLUSH_FAILED)

    def look(self) -> tuple[object, ...]:
        """What a run may not change, since the next would see it."""
        streams = sys.stdin, sys.stdout, sys.stderr
        return (
            *(stream is None or stream.closed for stream in streams),
            *map(id, streams),
            sys.excepthook,
            sys.getrecursionlimit(),
            atexit._ncallbacks(),
            *map(signal.getsignal, _SIGNALS),
            *map(signal.getitimer, _TIMERS),
            frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            *map(resource.getrlimit, _LIMITS),
            os.getpriority(os.PRIO_PROCESS, 0),
            os.getpgrp(),
            os.sched_getaffinity(0),
            os.umask(0o022),
            open_files(),
        )


def let_go_of_handlers() -> None:
    """The root logger as it is at a start: most programs set it up, and they do so only where nobody has."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    for handler in list(logging.root.handlers):
        handler.flush()
        logging.root.removeHandler(handler)
        handler.close()
    logging.root.setLevel(logging.WARNING)
    logging.disable(logging.NOTSET)


def open_files() -> set[tuple[str, str]]:
    """This process's descriptors and what each is open on."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add((name, os.readlink(f"/proc/self/fd/{name}")))
        except FileNotFoundError:  # that of the list itself
            pass
    return found


def has_more() -> bool:
    """Whether this process has children, or more threads than one."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    except ChildProcessError:
        return len(os.listdir("/proc/self/task")) > 1


def used_us(usage: resource.struct_rusage) -> int:
    """Processor time in microseconds."""
    return int((usage.ru_utime + usage.ru_stime) * 1e6)


def cpu_us() -> int:
    """What this process and its children have used."""
    return sum(used_us(resource.getrusage(whose)) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def memory_kib() -> tuple[int, int]:
    """The most that this process has ever held, and what it holds."""
    with open("/proc/self/status", "rb") as file:
        words = file.read().split()
    return int(words[words.index(b"VmHWM:") + 1]), int(words[words.index(b"VmRSS:") + 1])


def read_order(channel: int) -> dict[str, Any] | None:
    """The next order, marshalled after its length; None when its sender is gone."""
    head = read(channel, LENGTH_BYTES)
    if not head:
        return None
    order: dict[str, Any] = marshal.loads(read(channel, int.from_bytes(head, "big")))  # noqa: S302 - from its runner
    return order


def write_order(channel: int, order: dict[str, Any]) -> None:
    """The other side of `read_order`."""
    data = marshal.dumps(order, 4)
    data = len(data).to_bytes(LENGTH_BYTES, "big") + data
    while data:
        data = data[os.write(channel, data) :]


def read(channel: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(channel, count)
        if not part:
            return b""
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
