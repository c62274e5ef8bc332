"""A result's second name: whole, its own, or not there."""

import shutil
from pathlib import Path

import pytest

from fanfold.blobs.files import FileBlobs
from fanfold.effects import Effects
from fanfold.jobs.models import ResultManifest
from fanfold.pipeline.linking import Gathered, ResultGone, gather, link_result
from tests.unit.runner.publishing import stage_out


def published(place: Path, names: list[str]) -> ResultManifest:
    """A result as a runner leaves it."""
    for name in names:
        (place / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "made" / name).write_text(name)
    (place / "made").mkdir(exist_ok=True)
    return stage_out(place / "made", place / "theirs", FileBlobs(Effects()), hashed=True)


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b/c/d", "b/e"], [f"{number}" for number in range(150)]])
def test_a_linked_result_is_the_same_and_outlives_the_other(tmp_path: Path, names: list[str]) -> None:
    manifest, own = published(tmp_path, names), tmp_path / "own"
    whole = files_of(tmp_path / "theirs")
    made = link_result(tmp_path / "theirs", own, manifest, FileBlobs(Effects()))
    shutil.rmtree(tmp_path / "theirs")
    assert files_of(own) == whole
    assert set(names) <= set(whole)
    assert made == {tmp_path, own, *(path for path in own.rglob("*") if path.is_dir())}


def test_what_a_dead_server_left_is_no_part_of_it(tmp_path: Path) -> None:
    manifest, own = published(tmp_path, ["a"]), tmp_path / "own"
    own.mkdir()
    (own / "b").write_text("left")
    link_result(tmp_path / "theirs", own, manifest, FileBlobs(Effects()))
    assert files_of(own) == {"a": "a"}


def test_a_result_that_is_gone_or_not_whole_leaves_nothing(tmp_path: Path) -> None:
    manifest, own = published(tmp_path, ["a", "b/c"]), tmp_path / "own"
    (tmp_path / "theirs" / "a").write_text("torn")
    with pytest.raises(ResultGone, match="has 4 bytes in 'a', not 1"):
        link_result(tmp_path / "theirs", own, manifest, FileBlobs(Effects()))
    assert not own.exists()
    (tmp_path / "theirs" / "a").unlink()
    with pytest.raises(ResultGone, match="is gone"):
        link_result(tmp_path / "theirs", own, manifest, FileBlobs(Effects()))
    shutil.rmtree(tmp_path / "theirs")
    with pytest.raises(ResultGone, match="is gone"):
        link_result(tmp_path / "theirs", own, ResultManifest(), FileBlobs(Effects()))
    assert not own.exists()


def gathered(place: Path, names: list[str]) -> list[Gathered]:
    """Result files as they lie in the storage."""
    (place / "results").mkdir(exist_ok=True)
    for name in names:
        (place / "results" / name.replace("/", "-")).write_text(name)
    return [Gathered(name, place / "results" / name.replace("/", "-"), len(name), "") for name in names]


def test_an_output_is_put_together_by_links(tmp_path: Path) -> None:
    files = gathered(tmp_path, ["a", "b/c", "b/d/e"])
    made = gather(files, tmp_path / "part", tmp_path / "out", Effects())
    assert files_of(tmp_path / "out") == {"a": "a", "b/c": "b/c", "b/d/e": "b/d/e"}
    assert all((tmp_path / "out" / file.path).samefile(file.source) for file in files)
    assert (made.count, made.size_bytes) == (3, 9)
    assert not (tmp_path / "part").exists()


def test_an_output_that_is_there_already_is_left_where_it_is(tmp_path: Path) -> None:
    """Its row may have been written by another server, whose readers must not miss it for a moment."""
    files = gathered(tmp_path, ["a", "b/c"])
    made = gather(files, tmp_path / "part", tmp_path / "out", Effects())
    before = (tmp_path / "out").stat().st_ino
    assert gather(files, tmp_path / "part", tmp_path / "out", Effects()) == made
    assert (tmp_path / "out").stat().st_ino == before


@pytest.mark.parametrize("left", ["more", "less", "other"])
def test_an_output_of_another_try_is_replaced(tmp_path: Path, left: str) -> None:
    files = gathered(tmp_path, ["a", "b/c"])
    gather(files, tmp_path / "part", tmp_path / "out", Effects())
    if left == "more":
        (tmp_path / "out" / "x").write_text("x")
    elif left == "less":
        (tmp_path / "out" / "a").unlink()
    else:
        (tmp_path / "out" / "a").unlink()
        (tmp_path / "out" / "a").write_text("torn")
    gather(files, tmp_path / "part", tmp_path / "out", Effects())
    assert files_of(tmp_path / "out") == {"a": "a", "b/c": "b/c"}
