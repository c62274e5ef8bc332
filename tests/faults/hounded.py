"""A server of its own that is killed again and again, and callers that go on whatever happens to it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from fanfold.effects import Effects
from fanfold.pipeline.invariants import check_invariants
from fanfold.pipeline.workspace import Workspace
from fanfold.stores.sqlite import SqliteStore
from tests.compat.scene import push
from tests.compat.server import Server, json_of, until

PARTITION = '#!/bin/sh\necho piece > "$CHUNKS_DIR/data_0.bin"\n'
APP = '#!/bin/sh\ncp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/out.txt"\n'
ASSEMBLE = '#!/bin/sh\ncp "$RESULTS_DIR"/* "$OUTPUT_DIR/"\n'
SLOTS = 4
JOBS = "/v1/customer/jobs"
BACK_WITHIN_S = 60.0
A_PAGE = 100
MOST_CUTS = 100


class CutOff(Exception):
    """The server died before it answered: nobody knows what it did."""


class Hounded:
    """The server; `serving` is set while it listens, as far as its killer knows."""

    def __init__(self, place: Path, seed: int, **settings: object) -> None:
        cheap = {"slots": SLOTS, "max_partitioning": 16, "isolation": "off", "requests_per_s": 1_000_000}
        self.server = Server(place / "hounded", **cheap | settings).start()
        self.door = self.server.door()
        self.serving = threading.Event()
        self.serving.set()
        self.kills = 0
        self._chance = random.Random(seed)

    def push(self) -> dict[str, str]:
        """Three programs that do next to nothing; the fields of a job that runs them."""
        push(self.door, "tiny-partitioner", PARTITION, "engine", type="partitioner")
        push(self.door, "tiny-assembler", ASSEMBLE, "engine", type="assembler")
        engines = {"partitioner": "tiny-partitioner@0.1", "assembler": "tiny-assembler@0.1"}
        return {"app": push(self.door, "tiny", APP), **engines}

    def kill(self) -> None:
        """`kill -9` at once and start again; now and then it is killed once more while it starts."""
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

    def wait_up_to(self, seconds: float) -> None:
        """A moment that the seed decides: where in its work the server is hit."""
        threading.Event().wait(self._chance.uniform(0, seconds))

    def kill_during(self, kills: int, done: Callable[[], float]) -> None:
        """Kill it so many times while `done` goes from 0 to 1, evenly."""
        while self.kills < kills:
            share = (self.kills + 1) / (kills + 1)
            until(f"{share:.0%} is done", partial(_reached, done, share), BACK_WITHIN_S)
            self.wait_up_to(0.05)
            self.kill()

    def sent(self, method: str, path: str, **sent: Any) -> Any:
        """The answer's JSON, from a server that serves now; CutOff where it died before the answer came."""
        assert self.serving.wait(BACK_WITHIN_S), "the server does not come back"
        try:
            return json_of(self.door.request(method, path, **sent))
        except httpx.TransportError as err:
            raise CutOff from err

    def answered(self, method: str, path: str, **sent: Any) -> Any:
        """The answer's JSON, however often it has to be asked for."""
        for _ in range(MOST_CUTS):
            with suppress(CutOff):
                return self.sent(method, path, **sent)
        raise AssertionError(f"{method} {path} was cut off {MOST_CUTS} times")

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Everything that a list of pages holds."""
        total, offset = 1, 0
        while offset < total:
            asked = {"limit": A_PAGE, "offset": offset, "orderBy": "createdAt asc", **query}
            page = self.answered("GET", path, params=asked)
            yield from page["data"]
            total, offset = page["pagination"]["total"], offset + A_PAGE

    def count(self, **query: Any) -> int:
        """How many jobs a filter finds."""
        page = self.answered("GET", JOBS, params={"limit": 1, **query})
        return int(page["pagination"]["total"])

    def close(self) -> None:
        """Stop it and look at what it leaves: every invariant holds."""
        self.door.close()
        assert self.server.stop() == 0
        store = SqliteStore(self.server.database, Effects())
        try:
            assert check_invariants(store, Workspace(self.server.state, Effects())) == []
        finally:
            store.close()


def _reached(done: Callable[[], float], share: float) -> bool:
    return done() >= share


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
