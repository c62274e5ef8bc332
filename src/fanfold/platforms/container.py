"""The container platform: programs in images, each behind the walls its order names.

In a container waits the same zygote as in a sandbox, on the image's own Python, so a program starts, is limited, ends
and is told of as on the process platform. A container is kept for the next program with the same walls, for a while.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.platforms import bubblewrap, runtime, seccomp
from fanfold.platforms.cgroups import Group, tree
from fanfold.platforms.contained import Contained, Container, NoContainer, line_of
from fanfold.platforms.prepared import Preparation, RunningProgram
from fanfold.ports.clock import Clock
from fanfold.ports.platform import Platform, Program, Rules, Running, Walls
from fanfold.runner import zygote
from fanfold.runner.imports import modules_before

MOST_KEPT = 4
IDLE_S = 10.0
"""A container costs a hundred times what a sandbox does, so it waits for longer, whatever `idle_s` says."""

_INHERITED = ("LANG", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", *contract.THREADS)
DOOR_PREFIX = ".door-"
_PYTHON = "python3"
_NOT_FOUND = 127


class ContainerPlatform:
    """Starts programs in containers."""

    def __init__(self, effects: Effects, clock: Clock, rules: Rules | None = None) -> None:
        self._effects = effects
        self._clock = clock
        self._rules = rules or Rules()
        self._kept: dict[Walls, Contained] = {}
        self._swept: set[str] = set()

    def processes(self) -> frozenset[int]:
        """The children of this process that are containers', which no other platform may end."""
        return frozenset().union(*(contained.processes for contained in self._kept.values()))

    def start(self, program: Program) -> Running:
        """Start; raises OSError where the program cannot be started."""
        walls, uid = program.walls, self._uid(program.walls)
        self._make_room(walls)
        contained = self._kept.pop(walls, None) or self._contained(program, uid)
        self._kept[walls] = contained
        contained.used_at = self._clock.monotonic()
        if uid:
            for folder in program.own:
                os.chown(folder, uid, uid)
        contained.run(program, self._rules)
        return RunningProgram(contained, program, lambda: None)

    def tidy(self) -> None:
        """End what was not used for a while, and what waits longest until the others hold no more than they may."""
        long_ago = self._clock.monotonic() - max(IDLE_S, self._rules.idle_s)
        waiting = {walls: contained for walls, contained in self._kept.items() if not contained.busy}
        over = sum(contained.memory_bytes() for contained in waiting.values()) - self._rules.warm_bytes
        for walls, contained in waiting.items():
            if contained.used_at < long_ago or over > 0:
                over -= contained.memory_bytes()
                self._end([walls])

    def close(self) -> None:
        """End everything that was kept ready."""
        self._end(list(self._kept))

    def _make_room(self, wanted: Walls) -> None:
        self._end([walls for walls, contained in self._kept.items() if not contained.alive])
        if wanted not in self._kept and len(self._kept) == MOST_KEPT:
            self._end([next(iter(self._kept))])

    def _end(self, listed: list[Walls]) -> None:
        for walls in listed:
            contained = self._kept.pop(walls)
            contained.destroy()
            contained.let_go()

    def _uid(self, walls: Walls) -> int:
        return bubblewrap.uid_of(walls.owner) if os.getuid() == 0 else 0

    def _contained(self, program: Program, uid: int) -> Contained:
        walls = program.walls
        if walls.runtime not in self._swept:
            self._swept.add(walls.runtime)
            runtime.remove_left(walls.runtime)
        self._open_folders(walls, uid)
        folder = Path(tempfile.mkdtemp(prefix=DOOR_PREFIX, dir=Path(walls.ground).parent))
        which = Container(walls.image, walls.runtime, runtime.name_of(folder.name.removeprefix(DOOR_PREFIX)), folder)
        (folder / runtime.PROFILE).write_text(json.dumps(seccomp.profile()))
        how = self._preparation(program, which, uid)
        try:
            return Contained(how, which, self._effects, uid)
        except NoContainer as err:
            if how.group is not None:
                how.group.remove()
            self._effects.remove_tree(folder)
            if err.status == _NOT_FOUND:
                raise NoContainer(_NOT_FOUND, f"the image has no '{_PYTHON}', which starts its programs") from err
            raise

    def _preparation(self, program: Program, which: Container, uid: int) -> Preparation:
        walls = program.walls
        modules = modules_before(walls.entry, walls.preload) if walls.entry and self._rules.warm else None
        interpreter = walls.interpreter if modules is not None else (_PYTHON, "-I")
        files = (zygote.__file__, *zygote.OTHER_FILES)
        command = runtime.run_command(walls, self._rules, which.name, uid, files, str(which.folder))
        for name in (name for name in _INHERITED if name in program.env):
            command += ["--env", f"{name}={program.env[name]}"]
        command += ["--env", f"{contract.JOB_ID}="]  # its programs are of many jobs; the name marks it as a runner's
        setup = {
            "uid": 0,
            "own_pids": True,
            "entry": walls.entry if modules is not None else "",
            "modules": modules or [],
            "reentrant": walls.reentrant,
            "memory": walls.memory_bytes,
            "shared": list(bubblewrap.SHARED_FOLDERS),
        }
        line = line_of(command, walls.image, interpreter, zygote.__file__)
        env = {**os.environ, contract.JOB_ID: ""}
        group = Group(walls.memory_bytes, self._rules.max_processes, walls.cores) if tree().version else None
        return Preparation(line, env, setup, group)

    def _open_folders(self, walls: Walls, uid: int) -> None:
        """Let the program's user reach and own what it may write to."""
        os.chmod(walls.ground, 0o755)  # noqa: S103 - the folder above it is private
        if uid:
            for folder in walls.writes:
                os.chown(folder, uid, uid)


_fits: type[Platform] = ContainerPlatform
