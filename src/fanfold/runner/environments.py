"""Environments by uv: what programs require is locked once, then installed aside and moved to its place whole.

environments/
  locks/<wish>.txt      what exactly a list of requirements means here, from its first build on; <wish>.held: who builds
  locks/<lock>.held     the same where another machine has said what they mean
  <lock>/               an environment, named after all that is in it; nobody may write to it
  cache/                uv's own
  .<lock>.<pid>-<n>.part   one that is being built

Only wheels are taken, and nothing of what is installed is ever started here: a wheel is unpacked, and the code of a
package runs in the sandboxes of programs alone. That goes for `.pth` files too, which an environment's own interpreter
would obey: once packages are in it, it is not started outside of a sandbox.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fanfold.effects import DISK_IS_FULL, Effects, enough_space, held
from fanfold.errors import BadInput, MissingPart, OutOfSpace, Unavailable
from fanfold.ports.environments import Environment, Environments

LOOK_EVERY_S = 0.05
SAID_AT_MOST = 1500
READ_ONLY = 0o555
MEND = "install uv (pip install uv)"
NO_UV = "packages cannot be installed: there is no uv here."
NO_INDEX = "none"
LOCK_FILE = "fanfold-lock.txt"
CACHE = "cache"
"""Nothing in an environment is a link into it, so it may go at any time when nothing is being built."""

_TOLD = re.compile(r"UV_.*|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|NETRC|PATH|HOME|LANG|TMPDIR", re.IGNORECASE)
"""Of an environment uv is told no more than this."""

_UNANSWERED = re.compile(
    r"error sending request|Failed to (fetch|download|connect)|dns error|timed? ?out|Connection (refused|reset)"
    r"|status (code|server error).*\b5\d\d\b|Request failed after",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_LOCK = re.compile("[0-9a-f]{64}")
_numbers = itertools.count()


class UvEnvironments:
    """Environments below `root`, on the interpreter `python`. `index` is the URL of the package index, "" for the one
    uv is configured with, "none" for none; `links` are folders with wheels; `timeout_s` is for one build. `variables`
    stand in for the environment of this process."""

    def __init__(
        self,
        root: Path,
        python: str,
        effects: Effects,
        *,
        index: str = "",
        links: Sequence[str] = (),
        timeout_s: float = 900.0,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._root = root.absolute()
        self._python = shutil.which(python) or python
        self._effects = effects
        self._index = index
        self._links = tuple(os.path.abspath(folder) for folder in links)
        self._timeout_s = timeout_s
        self._variables = told_to_uv(os.environ if variables is None else variables)

    def problem(self) -> str:
        """See `ports.environments`."""
        return "" if uv_command() else f"uv, which installs packages, is not here; {MEND}"

    def find(self, requirements: Sequence[str]) -> Environment | None:
        """See `ports.environments`."""
        locked = self._locked(self._wish(requirements))
        return None if locked is None else self._ready(self._name(locked))

    def _ready(self, lock: str) -> Environment | None:
        python = self._root / lock / "bin" / "python"
        return Environment(str(python), lock) if python.exists() else None

    def locked(self, requirements: Sequence[str]) -> str:
        """See `ports.environments`."""
        return self._locked(self._wish(requirements)) or ""

    def build(self, requirements: Sequence[str], stopped: Callable[[], bool]) -> Environment:
        """See `ports.environments`."""
        found = self.find(requirements)
        if found is not None:
            os.utime(self._root / found.lock)
            return found
        if self.problem():
            raise MissingPart(NO_UV, hint="Type: pip install uv")
        wish = self._wish(requirements)
        with enough_space(self._root):
            self._effects.make_folder(self._root / "locks")
            with held(self._root / "locks" / f"{wish}.held", stopped):
                return self.find(requirements) or self._built(wish, requirements, stopped)

    def install(self, locked: str, stopped: Callable[[], bool]) -> Environment:
        """The environment that `locked`, as another machine has it, means on this one; made where it is not there.
        Raises as `build`."""
        lock = self._name(locked)
        found = self._ready(lock)
        if found is not None:
            os.utime(self._root / lock)
            return found
        if self.problem():
            raise MissingPart(NO_UV, hint="Type: pip install uv")
        with enough_space(self._root):
            self._effects.make_folder(self._root / "locks")
            with held(self._root / "locks" / f"{lock}.held", stopped, self._timeout_s):
                return self._ready(lock) or self._installed(lock, locked, stopped)

    def old(self, before: datetime) -> Mapping[str, Path]:
        """See `ports.environments`."""
        folders = [path for path in self._root.glob("*") if path.name == CACHE or _LOCK.fullmatch(path.name)]
        return {path.name: path for path in sorted(folders) if path.stat().st_mtime < before.timestamp()}

    def remove(self, lock: str, before: datetime) -> bool:
        """See `ports.environments`."""
        if lock not in self.old(before):
            return False
        gone = self._root / f".{lock}.{os.getpid()}-{next(_numbers)}.part"
        self._effects.rename(self._root / lock, gone)
        for folder, _, _ in os.walk(gone):
            os.chmod(folder, 0o700)  # nobody may write to it, not even to remove what is in it
        self._effects.remove_tree(gone)
        return True

    def _built(self, wish: str, requirements: Sequence[str], stopped: Callable[[], bool]) -> Environment:
        with self._builder(wish, stopped) as builder:
            locked = self._locked(wish) or builder.lock(requirements, self._python)
            environment = self._filled(builder, locked)
            self._effects.write_file(self._lock_path(wish), locked.encode())
            return environment

    def _installed(self, lock: str, locked: str, stopped: Callable[[], bool]) -> Environment:
        with self._builder(lock, stopped) as builder:
            return self._filled(builder, locked)

    def _filled(self, builder: _Builder, locked: str) -> Environment:
        lock = self._name(locked)
        target = self._root / lock
        if not (target / "bin").exists():
            self._move(builder.fill(locked, self._python), target)
        return Environment(str(target / "bin" / "python"), lock)

    @contextlib.contextmanager
    def _builder(self, name: str, stopped: Callable[[], bool]) -> Iterator[_Builder]:
        """A build in a folder of its own, which is gone afterwards."""
        self._sweep()
        part = self._root / f".{name}.{os.getpid()}-{next(_numbers)}.part"
        self._effects.make_folder(part)
        self._effects.make_folder(self._root / CACHE)
        os.utime(self._root / CACHE)
        try:
            yield _Builder(part, self._effects, self._ways(), stopped, time.monotonic() + self._timeout_s)
        except OSError as err:
            if err.errno in DISK_IS_FULL:
                raise OutOfSpace(f"the disk that holds '{self._root}' is full", hint="Free some space.") from err
            raise
        finally:
            with contextlib.suppress(OSError):  # what cannot be removed now goes with the next sweep
                self._effects.remove_tree(part)

    def _move(self, made: Path, target: Path) -> None:
        """To its place, unless another wish led to the same environment meanwhile; on disk when this returns."""
        self._effects.sync_disk_of(self._root)
        try:
            self._effects.rename(made, target)
        except OSError:
            if not (target / "bin").exists():
                raise
        os.chmod(target, READ_ONLY)
        self._effects.fsync_folder(self._root)

    def _sweep(self) -> None:
        """Remove what builders left that are no more."""
        for part in self._root.glob(".*.part"):
            owner = part.name.split(".")[-2].partition("-")[0]
            if not Path("/proc", owner).exists():
                with contextlib.suppress(OSError):
                    self._effects.remove_tree(part)

    def _locked(self, wish: str) -> str | None:
        try:
            return self._lock_path(wish).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def _lock_path(self, wish: str) -> Path:
        return self._root / "locks" / f"{wish}.txt"

    def _wish(self, requirements: Sequence[str]) -> str:
        wished = [*sorted(set(requirements)), self._interpreter(), self._index, *self._links]
        return hashlib.sha256("\n".join(wished).encode()).hexdigest()[:32]

    def _name(self, locked: str) -> str:
        return hashlib.sha256(f"{self._interpreter()}\n{locked}".encode()).hexdigest()

    def _interpreter(self) -> str:
        """An interpreter by its own file, its size and time."""
        path = os.path.realpath(self._python)
        try:
            info = os.stat(path)
        except OSError:
            return path
        return f"{path} {info.st_size} {info.st_mtime_ns}"

    def _ways(self) -> _Ways:
        """Places may hold credentials, and a command line is seen by everybody on the machine."""
        index = {} if self._index in ("", NO_INDEX) else {"UV_DEFAULT_INDEX": self._index}
        links = {"UV_FIND_LINKS": ",".join(self._links)} if self._links else {}
        options = ("--no-index",) if self._index == NO_INDEX else ()
        return _Ways(options, {**self._variables, **index, **links, "UV_CACHE_DIR": str(self._root / CACHE)})


@dataclass(frozen=True, slots=True)
class _Ways:
    """Where packages come from, as options of uv and the variables that it is started with."""

    options: tuple[str, ...]
    variables: Mapping[str, str] = field(repr=False)


class _Builder:
    """One build in a folder of its own."""

    def __init__(self, part: Path, effects: Effects, ways: _Ways, stopped: Callable[[], bool], deadline: float) -> None:
        self._part = part
        self._effects = effects
        self._ways = ways
        self._stopped = stopped
        self._deadline = deadline

    def lock(self, requirements: Sequence[str], python: str) -> str:
        """What these requirements mean now: every package with its version and the hashes of its wheels."""
        asked, locked = self._part / "requirements.txt", self._part / "lock.txt"
        asked.write_text("\n".join(sorted(set(requirements))) + "\n", encoding="utf-8")
        plain = ["--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:", *self._ways.options]
        self._uv("pip", "compile", *plain, "--python", python, "-o", str(locked), str(asked))
        return locked.read_text(encoding="utf-8")

    def fill(self, locked: str, python: str) -> Path:
        """Make an environment with what is locked, not to be written to; where it is."""
        env = self._part / "env"
        base = os.path.realpath(python)
        self._uv("venv", "--no-project", "--relocatable", "--python", python, str(env))
        (env / LOCK_FILE).write_text(locked, encoding="utf-8")
        exact = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy", *self._ways.options]
        into = ["--python", str(env / "bin" / "python"), "-r", str(env / LOCK_FILE)]
        if locked.strip():
            self._uv("pip", "install", *exact, *into)
        # By the interpreter it was made from: the environment's own would obey what was just installed. Exit code 1
        # says that some file is no Python of this version, as many packages have one.
        self._spawned([base, "-I", "-S", "-m", "compileall", "-q", "-j", "0", str(env / "lib")])
        _close(env)
        return env

    def _uv(self, *words: str) -> None:
        command = uv_command()
        code, said = self._spawned([command, *words, "--quiet", "--no-progress", "--color", "never"])
        if code == 0:
            return
        if _UNANSWERED.search(said):
            raise Unavailable(f"the packages cannot be fetched now: {said}")
        raise BadInput(f"uv cannot install what is required: {said or f'exit code {code}'}")

    def _spawned(self, words: list[str]) -> tuple[int, str]:
        """Run a command to its end; its exit code and the end of what it said."""
        told = {**self._ways.variables, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_BUILD": "1"}
        log = self._part / "log.txt"
        with open(log, "wb") as output:
            process = self._effects.spawn(words, told, str(self._part), output.fileno())
        try:
            self._await(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode, _shown(log.read_text(encoding="utf-8", errors="replace"))

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        while True:
            if self._stopped():
                raise Unavailable("the build of the environment was stopped")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_EVERY_S)
                return
            if time.monotonic() > self._deadline:
                raise BadInput("the packages took too long to install; ask for fewer, or raise the setting")


def told_to_uv(variables: Mapping[str, str]) -> dict[str, str]:
    """What uv is told of an environment."""
    return {name: value for name, value in variables.items() if _TOLD.fullmatch(name)}


def uv_command() -> str:
    """Where uv is: on the path, or beside the interpreter that runs this; "" where it is nowhere."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent)) or ""


def _shown(text: str) -> str:
    """The end of what uv said, without credentials."""
    return " ".join(_CREDENTIALS.sub("***@", text).split())[-SAID_AT_MOST:]


def _close(env: Path) -> None:
    """Take from everybody the right to write; the folder itself is still to be moved."""
    for parent, folders, files in os.walk(env):
        for path in (Path(parent, name) for name in files):
            if not path.is_symlink():
                os.chmod(path, READ_ONLY if path.stat().st_mode & 0o100 else READ_ONLY & 0o444)
        for path in (Path(parent, name) for name in folders):
            if not path.is_symlink():
                os.chmod(path, READ_ONLY)


_fits: type[Environments] = UvEnvironments
