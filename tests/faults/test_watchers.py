"""R19: a watcher that comes back with the last event it saw misses none and sees none twice, whoever broke it off."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compat.scene import ENDED
from tests.compat.server import until
from tests.faults.callers import BACK_WITHIN_S, JOBS
from tests.faults.hounded import Hounded, hounded

SEED = 20260103
EVENTS = "/v1/customer/events"
QUIET_S = 20.0
"""Longer than the signs of life of a stream are apart."""


class Watcher:
    """Follows the account's events, breaking off after a few of them, so often, and then only when the server does."""

    def __init__(self, place: Hounded, breaks: int) -> None:
        self._place = place
        self._chance = random.Random(SEED)
        self._breaks = breaks
        self._thread = threading.Thread(target=self._watch)
        self._over = threading.Event()
        self.failed: BaseException | None = None
        self.seen: list[str] = []
        self.connections = 0
        self.broken_off = 0

    @property
    def breaks_done(self) -> float:
        return self.broken_off / self._breaks

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No more connections; ends at the next event, which the caller brings about."""
        self._over.set()

    def join(self) -> None:
        self._thread.join()
        if self.failed is not None:
            raise self.failed

    def _watch(self) -> None:
        try:
            while not self._over.is_set():
                assert self._place.serving.wait(BACK_WITHIN_S)
                self._connected()
        except BaseException as err:
            self.failed = err
            raise

    def _connected(self) -> None:
        """One connection: up to as many events as the dice say."""
        left = self._chance.randint(0, 12) if self.broken_off < self._breaks else None
        try:
            with self._stream() as answer:
                self.connections += 1
                for event in events_of(answer):
                    self.seen.append(event["id"])
                    left = None if left is None else left - 1
                    if self._over.is_set():
                        return
                    if left is not None and left <= 0:
                        self.broken_off += 1
                        return
        except httpx.TransportError:
            return  # the server died

    def _stream(self) -> Any:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": self.seen[-1] if self.seen else "0"}
        return self._place.door.stream("GET", EVENTS, headers=headers, timeout=QUIET_S)


def events_of(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream, each when it is there whole; its id says what its data says."""
    assert answer.status_code == 200, answer.read()
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields.get("data"):
            event = json.loads(fields["data"])
            assert event["id"] == fields["id"]
            yield event
            fields = {}


def history(place: Hounded) -> list[str]:
    """The ids of all events, from pages."""
    ids: list[str] = []
    more = True
    while more:
        page = place.answered("GET", EVENTS, params={"after": ids[-1] if ids else "", "limit": 100})
        ids += [event["id"] for event in page["data"]]
        more = page["hasNext"]
    return ids


class Busy:
    """Something happens all the time: one tiny job after the other."""

    def __init__(self, place: Hounded) -> None:
        self._place = place
        self._wanted = {**place.push(), "dataDestination": {"dataSourceDescriptor": "bucket"}}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            self.one_job(f"job {number}")

    def one_job(self, key: str) -> None:
        """One job from draft to end."""
        headers = {"Idempotency-Key": key}
        job = self._place.answered("POST", JOBS, json=self._wanted, headers=headers)["job"]
        self._place.answered(
            "POST", f"{JOBS}/{job['id']}/run", json={}, headers=headers | {"Idempotency-Key": "r" + key}
        )
        state = "JOB_STATE_NEW"
        while state not in ENDED:
            query = {"wait": 10, "after": state}
            state = self._place.answered("GET", f"{JOBS}/{job['id']}", params=query)["job"]["state"]

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize(
    ("breaks", "kills"),
    [
        pytest.param(6, 2, marks=pytest.mark.timeout(120)),
        pytest.param(100, 20, marks=[pytest.mark.heavy, pytest.mark.timeout(1200)]),
    ],
)
def test_a_watcher_that_comes_back_sees_every_event_once(breaks: int, kills: int, tmp_path: Path) -> None:
    with hounded(tmp_path, SEED) as place:
        watcher, busy = Watcher(place, breaks), Busy(place)
        watcher.start()
        place.kill_during(kills, lambda: watcher.breaks_done)
        until("it has broken off often enough", lambda: watcher.breaks_done >= 1, 60 + breaks)
        busy.stop()
        until("it sees the last event", lambda: watcher.seen[-1:] == history(place)[-1:])
        all_events = history(place)
        watcher.stop()
        busy.one_job("the last one")
        watcher.join()
    assert watcher.seen[: len(all_events)] == all_events
    assert len(set(watcher.seen)) == len(watcher.seen)
    print(f"{len(all_events)} events, {watcher.connections} connections, {place.kills} kills: each seen once, in order")
