"""Each program goes to the platform that its walls ask for: into a container where they name an image."""

from __future__ import annotations

from fanfold.effects import Effects
from fanfold.platforms.container import ContainerPlatform
from fanfold.platforms.process import ProcessPlatform
from fanfold.ports.clock import Clock
from fanfold.ports.platform import Platform, Program, Rules, Running


class ChosenPlatform:
    """Starts programs as processes or in containers."""

    def __init__(self, effects: Effects, clock: Clock, rules: Rules) -> None:
        self._container = ContainerPlatform(effects, clock, rules)
        self._process = ProcessPlatform(effects, clock, rules, self._container.processes)

    def start(self, program: Program) -> Running:
        """Start; raises OSError where the program cannot be started."""
        return (self._container if program.walls.image else self._process).start(program)

    def tidy(self) -> None:
        """See `ports.platform`."""
        self._process.tidy()
        self._container.tidy()

    def close(self) -> None:
        """See `ports.platform`."""
        self._container.close()
        self._process.close()


_fits: type[Platform] = ChosenPlatform
