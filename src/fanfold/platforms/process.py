"""The process platform: programs of this machine, each behind the walls its order names.

Every program is started by a zygote, one for each set of walls, in a sandbox of its own unless it is Fanfold's own or
isolation is off. Zygotes are kept for the next program with the same walls: the few that were used last, for a while.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.platforms import bubblewrap
from fanfold.platforms.cgroups import Group, remove_left, tree
from fanfold.platforms.prepared import Preparation, Prepared, RunningProgram
from fanfold.ports.clock import Clock
from fanfold.ports.platform import Platform, Program, Rules, Running, Walls
from fanfold.runner import zygote
from fanfold.runner.imports import modules_before
from fanfold.runner.process_tree import children, end_children

MOST_KEPT = 4
_INHERITED = ("PATH", "LANG", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", *contract.THREADS)
"""What a zygote is told of a program's environment: what is read at a start or an import."""


class ProcessPlatform:
    """Starts programs by zygotes."""

    def __init__(
        self,
        effects: Effects,
        clock: Clock,
        rules: Rules | None = None,
        spared: Callable[[], frozenset[int]] = frozenset,
    ) -> None:
        self._effects = effects
        self._clock = clock
        self._rules = rules or Rules()
        self._kept: dict[Walls, Prepared] = {}
        self._spared = spared
        self._strangers = frozenset(children())
        if tree().version:
            remove_left()

    def start(self, program: Program) -> Running:
        """Start; raises OSError where the program cannot be started."""
        self._make_room(program.walls)
        prepared = self._kept.pop(program.walls, None) or Prepared(self._preparation(program), self._effects)
        self._kept[program.walls] = prepared
        prepared.used_at = self._clock.monotonic()
        if uid := self._uid(program.walls):
            for folder in program.own:
                os.chown(folder, uid, uid)
        prepared.run(program, self._rules)
        return RunningProgram(prepared, program, self._end_others)

    def tidy(self) -> None:
        """End what was not used for `idle_s`, and what waits longest until the others hold no more than they may."""
        long_ago = self._clock.monotonic() - self._rules.idle_s
        waiting = {walls: prepared for walls, prepared in self._kept.items() if not prepared.busy}
        over = sum(prepared.memory_bytes() for prepared in waiting.values()) - self._rules.warm_bytes
        ended = []
        for walls, prepared in waiting.items():  # the one that was used longest ago comes first
            if prepared.used_at < long_ago or over > 0:
                ended.append(walls)
                over -= prepared.memory_bytes()
        self._end(ended)

    def close(self) -> None:
        """End everything that was kept ready."""
        self._end(list(self._kept))

    def _make_room(self, wanted: Walls) -> None:
        """End what has died, and, where another is to be made, the one that was used longest ago."""
        self._end([walls for walls, prepared in self._kept.items() if not prepared.alive])
        if wanted not in self._kept and len(self._kept) == MOST_KEPT:
            self._end([next(iter(self._kept))])

    def _end(self, listed: list[Walls]) -> None:
        ended = [self._kept.pop(walls) for walls in listed]
        for prepared in ended:
            prepared.destroy()
        if ended:
            self._end_others()
        for prepared in ended:
            prepared.let_go()

    def _end_others(self) -> None:
        """End what programs left to this process: every child but zygotes, another platform's (`spared`) and those that
        were there before."""
        zygotes = frozenset(prepared.pid for prepared in self._kept.values() if prepared.alive)
        end_children(self._strangers | zygotes | self._spared())

    def _walled(self, walls: Walls) -> bool:
        return self._rules.isolation == "on" and not walls.trusted

    def _uid(self, walls: Walls) -> int:
        return bubblewrap.uid_of(walls.owner) if self._walled(walls) and os.getuid() == 0 else 0

    def _preparation(self, program: Program) -> Preparation:
        walls = program.walls
        modules = modules_before(walls.entry, walls.preload) if walls.entry and self._rules.warm else None
        interpreter = walls.interpreter if modules is not None else (sys.executable, "-I")
        env = {name: program.env[name] for name in _INHERITED if name in program.env}
        env[contract.JOB_ID] = ""  # its programs are of many jobs; the name alone marks it as a runner's
        first = bubblewrap.unprivileged(interpreter, self._uid(walls))
        setup = {
            "uid": 0 if first else self._uid(walls),
            "own_pids": self._walled(walls),
            "entry": walls.entry if modules is not None else "",
            "modules": modules or [],
            "reentrant": walls.reentrant,
            "memory": walls.memory_bytes,
            "shared": list(bubblewrap.SHARED_FOLDERS) if self._walled(walls) else [],
        }
        argv = [*first, *interpreter, zygote.__file__]
        group = None if walls.trusted or not tree().version else self._group(walls)
        if not self._walled(walls):
            return Preparation(argv, env, setup, group)
        self._open_folders(walls)
        filter_ = bubblewrap.filter_descriptor()
        line = bubblewrap.command(walls, interpreter, self._rules, filter_)
        return Preparation([*line, *argv], env, setup, group, () if filter_ is None else (filter_,))

    def _group(self, walls: Walls) -> Group:
        return Group(walls.memory_bytes, self._rules.max_processes, walls.cores)

    def _open_folders(self, walls: Walls) -> None:
        """Let the sandboxed user reach and own what it may write to."""
        os.chmod(walls.ground, 0o755)  # noqa: S103 - the folder above it is private
        if os.getuid() == 0:
            for folder in walls.writes:
                os.chown(folder, self._uid(walls), self._uid(walls))


_fits: type[Platform] = ProcessPlatform
