"""Who follows the history and comes back with the last number it saw misses nothing and sees nothing twice."""

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.events.hub import Hub
from fanfold.events.stream import EventFeed
from fanfold.jobs.lifecycle import Renamed, step
from fanfold.stores.sqlite import SqliteStore
from tests.values import NOON, a_job

DISCONNECTS = 100
EVENTS = 700
MOST_AT_ONCE = 11


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "fanfold.db", Effects())
    yield made
    made.close()


def renamed(store: SqliteStore, job_id: str, times: int) -> None:
    for number in range(times):
        store.advance(step(store.job(job_id), Renamed(f"name {number}"), NOON))


def drafted(store: SqliteStore, job_id: str, account_id: str = "ann") -> None:
    store.insert_job(a_job(job_id, account_id=account_id), account_id)


def always() -> bool:
    return True


async def some(feed: EventFeed, after: int, wanted: int, account_id: str = "ann") -> list[int]:
    """The next numbers, and then the listener is gone, in the middle of a batch where it so happens."""
    seen: list[int] = []
    async for batch in feed.follow(account_id, after, always):
        for event in batch:
            seen.append(event.seq)
            if len(seen) == wanted:
                return seen
    return seen


def test_a_hundred_disconnects_lose_nothing_and_repeat_nothing(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanfold.events.stream.GATHER_S", 0.0)
    for job_id in ("one", "two"):
        drafted(store, job_id)
    drafted(store, "other", "bob")
    first = store.last_event()
    writers = [
        threading.Thread(target=renamed, args=(store, job_id, EVENTS // 2)) for job_id in ("one", "two", "other")
    ]
    dice = random.Random(19)

    async def watch() -> list[int]:
        hub = Hub()
        store.database.listen(hub.notify)
        feed = EventFeed(store, hub)
        seen: list[int] = []
        for writer in writers:
            writer.start()
        while len(seen) < EVENTS:
            share = dice.randint(1, MOST_AT_ONCE)
            last = seen[-1] if seen else first
            seen += await some(feed, feed.start(last), min(share, EVENTS - len(seen)))
            drops.append(share)
        return seen

    drops: list[int] = []
    seen = asyncio.run(watch())
    for writer in writers:
        writer.join()
    assert len(drops) >= DISCONNECTS
    assert seen == [event.seq for event in store.events(first, 10_000, "ann")]
    assert len(seen) == len(set(seen)) == EVENTS


def test_a_new_listener_begins_now_and_one_that_was_there_goes_on(store: SqliteStore) -> None:
    feed = EventFeed(store, Hub())
    assert feed.start(None) == 0
    drafted(store, "job")
    assert feed.start(None) == store.last_event() == 1
    assert feed.start(0) == 0
    assert feed.start(10**9) == 1


def test_a_page_says_whether_there_is_more(store: SqliteStore) -> None:
    feed = EventFeed(store, Hub())
    drafted(store, "job")
    renamed(store, "job", 2)
    page, more = feed.page("ann", 0, 2)
    assert ([event.seq for event in page], more) == ([1, 2], True)
    assert [event.seq for event in feed.page("ann", 2, 2)[0]] == [3]
    assert feed.page("bob", 0, 10) == ([], False)
    assert feed.page("ann", 0, 10, "other") == ([], False)


def test_a_listener_that_is_not_allowed_any_more_gets_nothing(store: SqliteStore) -> None:
    drafted(store, "job")
    answers = iter([True, False])

    async def watch() -> list[int]:
        feed = EventFeed(store, Hub())
        return [event.seq async for batch in feed.follow("ann", 0, lambda: next(answers)) for event in batch]

    assert asyncio.run(watch()) == [1]


def test_a_stream_in_which_nothing_happens_shows_that_it_lives(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanfold.events.stream.SIGN_OF_LIFE_S", 0.01)

    async def watch() -> list[list[object]]:
        answers = iter([True, True, True, False])
        return [list(batch) async for batch in EventFeed(store, Hub()).follow("ann", 0, lambda: next(answers))]

    assert asyncio.run(watch()) == [[], [], []]


def test_a_hub_counts_who_listens_for_an_account() -> None:
    async def count() -> list[int]:
        hub = Hub()
        with hub.listening("ann"), hub.listening("ann"), hub.listening():
            inside = [hub.listeners("ann"), hub.listeners("bob")]
        return [*inside, hub.listeners("ann")]

    assert asyncio.run(count()) == [2, 0, 0]
