"""How much of a disk an attempt takes, whatever its program does to hide it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.runner.disk_use import CACHES_KNOWN, MOST_DEPTH, CacheWatches, DiskWatch, Use, size_text, use_of
from fanfold.runner.process_tree import descendants

KIB = 1024
MIB = 1024 * KIB


@contextmanager
def started(script: str, place: Path) -> Iterator[str]:
    """A shell that runs a script with a folder as `$0`; what it says first."""
    shell = ["/bin/sh", "-c", script, str(place)]
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        assert process.stdout is not None
        yield process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)


def filled(path: Path, size: int = MIB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def size_of(place: Path) -> float:
    """Mebibytes, folders and the like left out."""
    return use_of(place, 1000).size_bytes // (256 * KIB) / 4


def test_files_and_folders_are_counted(tmp_path: Path) -> None:
    filled(tmp_path / "a" / "b" / "file")
    filled(tmp_path / "other")
    use = use_of(tmp_path, 1000)
    assert (size_of(tmp_path), use.entries, use.depth) == (2.0, 4, 2)


def test_a_file_with_many_names_counts_once(tmp_path: Path) -> None:
    first = filled(tmp_path / "file")
    for number in range(5):
        (tmp_path / f"{number}").hardlink_to(first)
    assert (size_of(tmp_path), use_of(tmp_path, 1000).entries) == (1.0, 6)


def test_holes_take_nothing_and_links_are_not_followed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    filled(tmp_path / "elsewhere" / "file")
    (place / "link").symlink_to(tmp_path / "elsewhere")
    with open(place / "sparse", "wb") as file:
        file.truncate(1 << 40)
    assert size_of(place) == 0.0


def test_a_file_that_has_no_name_any_more_counts_while_a_process_holds_it(tmp_path: Path) -> None:
    with started('exec 3> "$0/nameless"; rm "$0/nameless"; head -c 2097152 /dev/zero >&3; echo up; read x', tmp_path):
        assert size_of(tmp_path) == 2.0
    assert size_of(tmp_path) == 0.0


def test_processes_of_processes_are_descendants(tmp_path: Path) -> None:
    with started("sh -c 'sleep 60 & echo $!; wait' ", tmp_path) as said:
        assert int(said) in descendants()


def test_a_look_ends_where_there_is_more_than_it_asks_for(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}").touch()
    assert use_of(tmp_path, 10).entries == 11


def test_a_folder_that_is_gone_or_a_link_has_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "there" / "file")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert size_of(tmp_path / "link") == size_of(tmp_path / "gone") == 0.0


@pytest.mark.parametrize(
    ("most_bytes", "most_entries", "told"),
    [
        (3 * MIB, 100, ""),
        (MIB, 100, "disk limit: it uses 2 MiB (limit 1 MiB)"),
        (3 * MIB, 1, "disk limit: it has more than 1 files and folders"),
    ],
)
def test_the_limit_that_was_passed_is_told(tmp_path: Path, most_bytes: int, most_entries: int, told: str) -> None:
    filled(tmp_path / "one")
    filled(tmp_path / "two")
    watch = DiskWatch(tmp_path, most_bytes, most_entries, SteadyClock())
    watch.look()
    assert watch.told.startswith(told)
    assert bool(watch.told) == bool(told)


def test_what_was_given_does_not_count(tmp_path: Path) -> None:
    filled(tmp_path / "given")
    watch = DiskWatch(tmp_path, MIB, 1, SteadyClock(), given=Use(MIB, 1))
    filled(tmp_path / "own", MIB // 2)
    watch.look()
    assert watch.told == ""
    (tmp_path / "more").touch()
    watch.look()
    assert watch.told == "disk limit: it has more than 1 files and folders"


def test_folders_nested_too_deep_pass_a_limit(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * MOST_DEPTH)).mkdir(parents=True)
    watch = DiskWatch(tmp_path, MIB * MIB, 1000, SteadyClock())
    watch.look()
    assert watch.told == f"disk limit: it has folders nested {MOST_DEPTH} deep or deeper"


def test_sizes_are_said_short() -> None:
    assert [size_text(count) for count in (0, 1, 1023, 1536, MIB, 100 << 30, 5 << 40)] == [
        *("0 B", "1 B", "1023 B", "1.5 KiB", "1 MiB", "100 GiB", "5120 GiB")
    ]


def test_a_cache_is_watched_over_attempts_and_each_begins_without_a_verdict(tmp_path: Path) -> None:
    filled(tmp_path / "cache" / "file")
    watches = CacheWatches(MIB // 2, 1000, SteadyClock())
    watch = watches.of(str(tmp_path / "cache"))
    watch.look()
    assert watch.told == "disk limit: the cache of its account uses 1 MiB (limit 512 KiB)"
    assert watches.of(str(tmp_path / "cache")) is watch
    assert watch.told == ""
    for number in range(CACHES_KNOWN):
        watches.of(str(tmp_path / f"{number}"))
    assert watches.of(str(tmp_path / "cache")) is not watch
