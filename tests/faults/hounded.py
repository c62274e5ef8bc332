"""A server of its own that is killed again and again, whoever asks it something meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanfold.effects import Effects
from fanfold.pipeline.invariants import check_invariants
from fanfold.pipeline.workspace import Workspace
from fanfold.stores.sqlite import SqliteStore
from tests.compat.server import Door, Server
from tests.faults.callers import BACK_WITHIN_S, Unreliable, push_tiny

SLOTS = 4


class Hounded(Unreliable):
    """The server; `serving` is set while it listens, as far as its killer knows."""

    def __init__(self, place: Path, seed: int, **settings: object) -> None:
        super().__init__(seed)
        cheap = {"slots": SLOTS, "max_partitioning": 16, "isolation": "off", "requests_per_s": 1_000_000}
        self.server = Server(place / "hounded", **cheap | settings).start()
        self.door = self.server.door()
        self.serving = threading.Event()
        self.serving.set()

    def push(self) -> dict[str, str]:
        """See `push_tiny`."""
        return push_tiny(self.door)

    def serving_door(self) -> Door:
        assert self.serving.wait(BACK_WITHIN_S), "the server does not come back"
        return self.door

    def let_in(self, share: float) -> None:
        """At once: nothing goes on while it is away."""

    def kill(self) -> None:
        """Now and then it is killed once more while it starts."""
        self.serving.clear()
        self._die()
        if self._chance.random() < 0.2:
            self.server.launch()
            self.wait_up_to(1.0)
            self._die()
        self.server.start()
        self.serving.set()

    def _die(self) -> None:
        self.server.kill()
        self.kills += 1

    def close(self) -> None:
        """Stop it and look at what it leaves: every invariant holds."""
        self.door.close()
        assert self.server.stop() == 0
        store = SqliteStore(self.server.database, Effects())
        try:
            assert check_invariants(store, Workspace(self.server.state, Effects())) == []
        finally:
            store.close()


@contextmanager
def hounded(place: Path, seed: int, **settings: object) -> Iterator[Hounded]:
    """A hounded server, looked at and stopped at the end."""
    made = Hounded(place, seed, **settings)
    try:
        yield made
    except BaseException:
        made.door.close()
        made.server.kill()
        raise
    made.close()
