"""What stands beside an order's interpreter where the machine has to make it itself: the packages of its block."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fanfold.effects import Effects
from fanfold.errors import BadInput, MissingPart, Unavailable
from fanfold.ports.blobs import Blobs
from fanfold.ports.environments import Environment, EnvironmentPlace
from fanfold.ports.executor import RunOrder

KNOWN_AT_MOST = 1000
ASKED_S = 300.0
"""An index that does not answer is asked again for so long, as at a server."""

AGAIN_AFTER_S = 5.0
LOOK_EVERY_S = 0.1


class NotProvided(Exception):
    """An environment cannot be had on this machine, and why."""


class Provider:
    """Makes environments for one runner. `place` says how; None where orders never ask for it."""

    def __init__(self, effects: Effects, place: EnvironmentPlace | None = None) -> None:
        self._effects = effects
        self._place = place
        self._known: dict[str, str] = {}

    def provided(self, order: RunOrder, blobs: Blobs, stopped: Callable[[], bool]) -> RunOrder:
        """The order with the interpreter that it runs on here: made by one runner of the machine, where it is not
        there, while the others wait. Raises NotProvided; Unavailable where it is `stopped` meanwhile; OutOfSpace."""
        if not order.environment:
            return order
        python = self._known.get(order.environment, "")
        try:
            os.utime(Path(python).parents[1])  # nobody removes what is used
        except (FileNotFoundError, IndexError):
            python = self._made(order.environment, blobs, stopped)
            if len(self._known) > KNOWN_AT_MOST:
                self._known.clear()
            self._known[order.environment] = python
        return replace(order, interpreter=(python, *order.interpreter[1:]))

    def _made(self, address: str, blobs: Blobs, stopped: Callable[[], bool]) -> str:
        from fanfold.runner.environments import UvEnvironments  # few runners need it, and it takes a while to load

        place = self._place
        assert place is not None, "an order asks for packages, and nobody said how they are installed"
        environments = UvEnvironments(
            Path(place.folder),
            place.python,
            self._effects,
            index=place.index,
            links=place.links,
            timeout_s=place.timeout_s,
            variables=place.variables,
        )
        try:
            with blobs.open(blobs.at(address)) as file:
                locked = file.read().decode()
        except FileNotFoundError as err:
            raise NotProvided("the list of packages of its block is gone; retry the job: that writes it anew") from err
        try:
            return _asked(lambda: environments.install(locked, stopped), stopped).python
        except (BadInput, MissingPart, Unavailable, OSError) as err:
            if isinstance(err, Unavailable) and stopped():
                raise
            raise NotProvided(
                f"the packages of its block cannot be had on node '{socket.gethostname()}': {err}"
            ) from err


def _asked(install: Callable[[], Environment], stopped: Callable[[], bool]) -> Environment:
    """What it returns, for which an index that is away for a while is asked again; Unavailable where it is `stopped`
    meanwhile, or the index stays away."""
    until = time.monotonic() + ASKED_S
    while True:
        try:
            return install()
        except Unavailable:
            again_at = time.monotonic() + AGAIN_AFTER_S
            if again_at > until:
                raise
            while time.monotonic() < again_at:
                if stopped():
                    raise
                time.sleep(LOOK_EVERY_S)
