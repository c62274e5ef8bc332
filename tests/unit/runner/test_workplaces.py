"""Folders to work in are used again where the next program cannot tell them from new ones, and only there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.runner.workplaces import LARGEST_KEPT_BYTES, MOST_FREE, Workplace, Workplaces

OTHER_USER = 1_900_000_001
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has programs of another user")


def used(places: Workplaces, path: Path, chunk: bytes = b"chunk", owner: int | None = None) -> Workplace:
    """Folders as a program that wrote one result leaves them, once its result is published."""
    place = places.take(path, over_chunk=True)
    if owner is not None:
        for name in ("in", "out", "tmp"):
            os.chown(path / name, owner, owner)
    (path / "in" / "data.bin").unlink(missing_ok=True)
    (path / "in" / "data.bin").write_bytes(chunk)
    (path / "params.json").write_text("{}")
    (path / "out").rename(path.parent.parent / f"published-{path.name}")
    return place


def again(tmp_path: Path, spoil: Callable[[Path], object], owner: int | None = None) -> tuple[list[int], list[int]]:
    """The inodes of the folders of one attempt and of the next, with `spoil` between them."""
    ground = tmp_path / "ground"
    ground.mkdir()
    places = Workplaces(Effects())
    place = used(places, ground / "job.app-0.1", owner=owner)
    before = inodes(ground / "job.app-0.1")
    places.give_back(place)
    for kept in ground.iterdir():
        spoil(kept)
    places.take(ground / "job.app-1.1", over_chunk=True)
    assert sorted(os.listdir(ground)) == ["job.app-1.1"]
    assert {"in", "out", "tmp"} <= set(os.listdir(ground / "job.app-1.1"))
    assert os.listdir(ground / "job.app-1.1" / "tmp") == os.listdir(ground / "job.app-1.1" / "out") == []
    return before, inodes(ground / "job.app-1.1")


def inodes(path: Path) -> list[int]:
    return [os.stat(path / name).st_ino for name in ("", "in", "tmp")]


def test_the_next_attempt_has_the_folders_of_the_last(tmp_path: Path) -> None:
    before, after = again(tmp_path, lambda kept: None)
    assert before == after
    assert os.listdir(tmp_path / "ground" / "job.app-1.1" / "in") == []  # one's own program might have linked it


@as_root
def test_a_chunk_file_that_no_program_can_have_touched_is_there_to_be_written_over(tmp_path: Path) -> None:
    before, after = again(tmp_path, lambda kept: None, OTHER_USER)
    assert before == after
    assert os.listdir(tmp_path / "ground" / "job.app-1.1" / "in") == ["data.bin"]


@as_root
@pytest.mark.parametrize("name", ["in/data.bin", "params.json"])
def test_a_file_that_has_a_second_name_is_not_written_over(name: str, tmp_path: Path) -> None:
    again(tmp_path, lambda kept: os.link(kept / name, tmp_path / "second"), OTHER_USER)
    assert not (tmp_path / "ground" / "job.app-1.1" / name).exists()
    assert (tmp_path / "second").exists()


@as_root
def test_a_chunk_file_is_not_there_for_an_input_that_is_no_range(tmp_path: Path) -> None:
    ground = tmp_path / "ground"
    ground.mkdir()
    places = Workplaces(Effects())
    places.give_back(used(places, ground / "job.app-0.1", owner=OTHER_USER))
    places.take(ground / "job.app-1.1", over_chunk=False)
    assert os.listdir(ground / "job.app-1.1" / "in") == []


SPOILS: dict[str, Callable[[Path], object]] = {
    "its mode": lambda kept: os.chmod(kept / "tmp", 0o700),
    "its mode, of the inputs": lambda kept: os.chmod(kept / "in", 0o1777),
    "its mode, of the whole": lambda kept: os.chmod(kept, 0o777),
    "an attribute": lambda kept: os.setxattr(kept / "in", "user.mark", b"1"),
    "a file": lambda kept: (kept / "tmp" / "left").touch(),
    "a file beside them": lambda kept: (kept / "left").touch(),
    "a folder of its own": lambda kept: (
        (kept / "tmp").rename(kept.parent.parent / "moved"),
        (kept / "tmp").mkdir(),
    ),
    "a link": lambda kept: ((kept / "tmp").rmdir(), (kept / "tmp").symlink_to(kept.parent.parent / "precious")),
    "a link to a folder like it": lambda kept: (
        (kept / "tmp").rename(kept.parent.parent / "moved"),
        (kept / "tmp").symlink_to(kept.parent.parent / "moved"),
    ),
    "nothing": lambda kept: (kept / "tmp").rmdir(),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_folders_that_a_program_changed_are_made_anew(spoil: str, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    try:
        before, after = again(tmp_path, SPOILS[spoil])
    except OSError as err:
        pytest.skip(f"this file system has no attributes: {err}")
    if spoil != "nothing":  # a new folder may get the inode of one that was removed
        assert before != after
    assert [oct(os.stat(tmp_path / "ground" / "job.app-1.1" / name).st_mode) for name in ("", "in", "tmp")] == [
        oct(0o40777 & ~umask())
    ] * 3
    assert os.listxattr(tmp_path / "ground" / "job.app-1.1" / "in") == []
    assert (tmp_path / "precious" / "file").exists()


def umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found


def test_files_beside_the_chunk_are_gone(tmp_path: Path) -> None:
    again(tmp_path, lambda kept: (kept / "in" / "more").touch())
    assert not (tmp_path / "ground" / "job.app-1.1" / "in" / "more").exists()


def test_large_chunks_and_more_than_are_needed_are_not_kept(tmp_path: Path) -> None:
    places = Workplaces(Effects())
    ground = tmp_path / "ground"
    ground.mkdir()
    places.give_back(used(places, ground / "large", b"x" * (LARGEST_KEPT_BYTES + 1)))
    assert os.listdir(ground) == []
    taken = [used(places, ground / f"job.app-{index}.1") for index in range(MOST_FREE + 1)]
    for place in taken:
        places.give_back(place)
    assert len(os.listdir(ground)) == MOST_FREE
    places.drop()
    assert os.listdir(ground) == []


def test_accounts_do_not_share_folders(tmp_path: Path) -> None:
    places = Workplaces(Effects())
    for account in ("one", "two"):
        (tmp_path / account).mkdir()
    places.give_back(used(places, tmp_path / "one" / "job.app-0.1"))
    places.take(tmp_path / "two" / "job.app-0.1", over_chunk=True)
    [kept] = os.listdir(tmp_path / "one")
    assert kept.startswith(".free-")
