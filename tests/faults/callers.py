"""Callers that go on whatever happens to the servers: what nobody answered is sent again with its `Idempotency-Key`."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import httpx

from fanfold.ports.store import Store
from tests.compat.scene import push
from tests.compat.server import Door, json_of, until

PARTITION = '#!/bin/sh\necho piece > "$CHUNKS_DIR/data_0.bin"\n'
APP = '#!/bin/sh\ncp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/out.txt"\n'
ASSEMBLE = '#!/bin/sh\ncp "$RESULTS_DIR"/* "$OUTPUT_DIR/"\n'
JOBS = "/v1/customer/jobs"
COMPLETE = "JOB_STATE_COMPLETE"
BACK_WITHIN_S = 60.0
A_PAGE = 100
MOST_CUTS = 100
CALLERS = 8


class CutOff(Exception):
    """A server died before it answered: nobody knows what it did."""


class Unreliable(ABC):
    """A service whose servers may die at any moment, and what its callers ask of it."""

    def __init__(self, seed: int) -> None:
        self.kills = 0
        self._chance = random.Random(seed)

    @abstractmethod
    def serving_door(self) -> Door:
        """One that answers now, as far as anybody knows."""

    @abstractmethod
    def kill(self) -> None:
        """`kill -9` at once and start again; counted in `kills`."""

    @abstractmethod
    def let_in(self, share: float) -> None:
        """Wait until it is the turn of this part of the work, between 0 and 1."""

    def wait_up_to(self, seconds: float) -> None:
        """A moment that the seed decides: where in its work a server is hit."""
        threading.Event().wait(self._chance.uniform(0, seconds))

    def kill_during(self, kills: int, done: Callable[[], float]) -> None:
        """Kill so many times while `done` goes from 0 to 1, evenly."""
        while self.kills < kills:
            share = (self.kills + 1) / (kills + 1)
            until(f"{share:.0%} is done", partial(_reached, done, share), BACK_WITHIN_S)
            self.wait_up_to(0.05)
            self.kill()

    def sent(self, method: str, path: str, **sent: Any) -> Any:
        """The answer's JSON, from a server that serves now; CutOff where it died before the answer came."""
        try:
            return json_of(self.serving_door().request(method, path, **sent))
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


class Callers:
    """Make and run jobs `job-0`, `job-1`, ..., each request with a key of its own."""

    def __init__(self, place: Unreliable, jobs: int, fields: dict[str, str]) -> None:
        self._place = place
        self._jobs = jobs
        self._wanted = {**fields, "dataDestination": {"dataSourceDescriptor": "bucket"}}
        self._counting = threading.Lock()
        self.ids: dict[str, str] = {}
        self.cut_off = 0
        self.accepted = 0

    def share(self) -> float:
        return self.accepted / self._jobs

    def submit_all(self) -> None:
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(self._submit, range(self._jobs)))

    def submit_while_killed(self, kills: int, done: Callable[[], float]) -> None:
        """Submit all while servers are killed so many times; every job is accepted."""
        submitting = threading.Thread(target=self.submit_all)
        submitting.start()
        self._place.kill_during(kills, done)
        submitting.join()
        assert self.accepted == self._jobs

    def each_is_there_once(self) -> bool:
        """Whether the jobs that the service lists are those that it acknowledged."""
        listed = [(job["name"], job["id"]) for job in self._place.pages(JOBS)]
        return sorted(listed) == sorted(self.ids.items())

    def _submit(self, number: int) -> None:
        self._place.let_in(number / self._jobs)
        name = f"job-{number:05}."  # no name is a part of another
        made = self._acknowledged(name, JOBS, f"make {name}", {**self._wanted, "name": name})
        self.ids[name] = made["job"]["id"]
        self._acknowledged(name, f"{JOBS}/{self.ids[name]}/run", f"run {name}", {})
        with self._counting:
            self.accepted += 1

    def _acknowledged(self, name: str, path: str, key: str, body: dict[str, Any]) -> Any:
        while True:
            try:
                return self._place.sent("POST", path, json=body, headers={"Idempotency-Key": key})
            except CutOff:
                with self._counting:
                    self.cut_off += 1
                assert self._place.answered("GET", JOBS, params={"name": name})["pagination"]["total"] <= 1


def push_tiny(door: Door) -> dict[str, str]:
    """Push three programs that do next to nothing; the fields of a job that runs them."""
    push(door, "tiny-partitioner", PARTITION, "engine", type="partitioner")
    push(door, "tiny-assembler", ASSEMBLE, "engine", type="assembler")
    engines = {"partitioner": "tiny-partitioner@0.1", "assembler": "tiny-assembler@0.1"}
    return {"app": push(door, "tiny", APP), **engines}


def effects_in(store: Store) -> tuple[Counter[str], Counter[str]]:
    """How often each job was made, and how often accepted for a run, as its history tells."""
    counts, after = {"Created": Counter[str](), "RunAccepted": Counter[str]()}, 0
    while page := store.events(after, 5000):
        after = page[-1].seq
        for event in page:
            if event.name in counts:
                counts[event.name][event.job_id] += 1
    return counts["Created"], counts["RunAccepted"]


def _reached(done: Callable[[], float], share: float) -> bool:
    return done() >= share
