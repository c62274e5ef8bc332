"""Copies of blobs on this machine's disk stay within their size, and may go at any moment."""

import os
import threading
from pathlib import Path

import pytest

from fanfold.blobs.cache import BLOCK_BYTES, ROOM_LEFT, Cache
from fanfold.effects import Effects

MIB = 1024 * 1024


def copied(cache: Cache, folder: Path, key: str, size_bytes: int = MIB) -> Path:
    path = folder / key.replace("/", "-")
    path.write_bytes(os.urandom(size_bytes))
    cache.add(key, path)
    return path


def held(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in (folder / "copies").rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", Effects(), 10 * MIB)


def test_what_was_used_least_lately_goes_first(cache: Cache, tmp_path: Path) -> None:
    for number in range(10):
        copied(cache, tmp_path, f"jobs/{number}/results/a")
        os.utime(tmp_path / "cache" / "copies" / f"jobs/{number}/results/a", (1000 + number, 1000 + number))
    assert cache.link("jobs/0/results/a", tmp_path / "used")
    copied(cache, tmp_path, "jobs/new/results/a", 2 * MIB)
    cache.make_room()
    assert held(tmp_path / "cache") <= ROOM_LEFT * 10 * MIB
    assert cache.open("jobs/1/results/a") is None
    for key in ("jobs/0/results/a", "jobs/new/results/a", "jobs/9/results/a"):
        found = cache.open(key)
        assert found is not None
        found.close()
    assert not (tmp_path / "cache" / "copies" / "jobs" / "1").exists()


def test_many_small_files_count_as_much_as_they_take_up(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", Effects(), 100 * BLOCK_BYTES)
    for number in range(300):
        copied(cache, tmp_path, f"jobs/job/results/app-{number}.1/a", 1)
    assert len(list((tmp_path / "cache" / "copies").rglob("a"))) <= 110


def test_a_file_larger_than_all_room_is_no_copy(cache: Cache, tmp_path: Path) -> None:
    copied(cache, tmp_path, "jobs/job/source/large", 11 * MIB)
    assert cache.open("jobs/job/source/large") is None
    assert not cache.link("jobs/job/source/large", tmp_path / "target")


def test_a_staged_file_outlives_its_copy(cache: Cache, tmp_path: Path) -> None:
    made = copied(cache, tmp_path, "jobs/job/results/a")
    assert cache.link("jobs/job/results/a", tmp_path / "staged")
    opened = cache.open("jobs/job/results/a")
    assert opened is not None
    cache.drop("jobs/job")
    with opened:
        assert opened.read() == made.read_bytes() == (tmp_path / "staged").read_bytes()
    assert not cache.link("jobs/job/results/a", tmp_path / "again")


def test_a_killed_process_leaves_nothing_for_long(cache: Cache, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "parts" / "left"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    cache.make_room()
    assert left.exists()
    with cache.part() as part:
        part.write_bytes(b"whole")
    assert list(left.parent.iterdir()) == [left]


def test_processes_that_add_and_make_room_at_once_lose_nothing(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def work(name: str) -> None:
        cache = Cache(tmp_path / "cache", Effects(), 20 * BLOCK_BYTES)
        try:
            for number in range(60):
                made = copied(cache, tmp_path, f"jobs/{name}/results/{number}/a", 10)
                target = tmp_path / f"{name}-{number}"
                if cache.link(f"jobs/{name}/results/{number}/a", target):
                    assert target.read_bytes() == made.read_bytes()
        except Exception as err:  # noqa: BLE001 - told by the test
            errors.append(err)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
