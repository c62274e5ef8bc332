"""Archives: honest ones come out as they went in, hostile ones are refused, with little time and space spent."""

import io
import resource
import stat
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.archives import USUAL, Limits, safe_parts, suffix_of, unpack
from fanfold.errors import BadInput
from tests.unit.hostile_archives import BLOCK, HOSTILE, tar_entry, tar_of, tar_of_files, zip_of

MOST_WRITTEN = 513 * 1024 * 1024


def unpacked(tmp_path: Path, data: bytes, limits: Limits = USUAL) -> Path:
    archive = tmp_path / "archive"
    archive.write_bytes(data)
    unpack(archive, tmp_path / "out", limits)
    return tmp_path / "out"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "data",
    [zip_of(BLOCK), tar_of_files(BLOCK), tar_of_files(BLOCK, pax=True), zip_of(BLOCK, method=zipfile.ZIP_STORED)],
)
def test_an_honest_archive_comes_out_as_it_went_in(tmp_path: Path, data: bytes) -> None:
    assert files_of(unpacked(tmp_path, data)) == BLOCK


def test_names_that_begin_with_a_dot_and_folders_of_their_own_are_fine(tmp_path: Path) -> None:
    folders = [tar_entry(name, b"5") for name in ("./", "./app/", "app", "empty")]
    out = unpacked(tmp_path, tar_of(*folders, tar_entry("./app/main.py", data=b"x")))
    assert files_of(out) == {"app/main.py": b"x"}
    assert (out / "empty").is_dir()


@pytest.mark.parametrize("made", [zip_of, tar_of_files])
def test_a_file_keeps_its_right_to_be_run_and_no_other(tmp_path: Path, made: object) -> None:
    assert callable(made)
    out = unpacked(tmp_path, made({"run.sh": b"#!/bin/sh\n", "data": b""}, executable=["run.sh"]))
    modes = {name: stat.S_IMODE((out / name).stat().st_mode) for name in ("run.sh", "data")}
    assert modes == {"run.sh": 0o755, "data": 0o644}


def test_set_user_id_does_not_come_out(tmp_path: Path) -> None:
    out = unpacked(tmp_path, tar_of(tar_entry("a", mode=0o6777)))
    assert stat.S_IMODE((out / "a").stat().st_mode) == 0o755


def test_long_names_of_tar_come_out(tmp_path: Path) -> None:
    name = "a" * 120 + "/" + "b" * 120
    for number, pax in enumerate((True, False)):
        (tmp_path / str(number)).mkdir()
        assert files_of(unpacked(tmp_path / str(number), tar_of_files({name: b"x"}, pax=pax))) == {name: b"x"}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_archive_is_refused_with_little_spent(tmp_path: Path, name: str) -> None:
    make, why = HOSTILE[name]
    data = make()
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=why) as refused:
        unpacked(tmp_path, data)
    assert refused.value.problems[0].field == "archive"
    assert time.process_time() - began < 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200 * 1024
    assert sum(path.lstat().st_size for path in tmp_path.rglob("*") if path.is_file()) < MOST_WRITTEN
    assert {path.name for path in tmp_path.iterdir()} <= {"archive", "out"}


def test_no_more_comes_out_than_allowed(tmp_path: Path) -> None:
    data = zip_of({f"app/{number}": bytes(1000) for number in range(100)}, method=zipfile.ZIP_STORED)
    with pytest.raises(BadInput, match="unpacks to more than 50000 bytes"):
        unpacked(tmp_path, data, Limits(size_bytes=50_000))
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) <= 50_000


def test_little_may_come_out_of_next_to_nothing(tmp_path: Path) -> None:
    assert len(files_of(unpacked(tmp_path, zip_of({"zeros": bytes(1024 * 1024)})))["zeros"]) == 1024 * 1024


@given(st.text(max_size=30) | st.text(alphabet="./\\\0aA\u00e9\ud800", max_size=12))
def test_a_path_is_refused_or_stays_inside(path: str) -> None:
    try:
        parts = safe_parts(path)
    except ValueError:
        return
    assert all(part not in ("", ".", "..") and not {"/", "\\", "\0"} & set(part) for part in parts)
    inside = Path("/base").joinpath(*parts)
    assert inside == Path("/base") or Path("/base") in inside.parents


@settings(max_examples=150, deadline=None)
@given(data=st.data(), source=st.sampled_from([zip_of(BLOCK), tar_of_files(BLOCK), tar_of_files(BLOCK, pax=True)]))
def test_any_change_to_an_archive_is_refused_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, source: bytes
) -> None:
    changed = bytearray(source)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("changed")
    try:
        out = unpacked(folder, bytes(changed))
    except BadInput:
        pass
    else:
        assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert {path.name for path in folder.iterdir()} <= {"archive", "out"}


def test_the_kind_is_told_by_content() -> None:
    assert suffix_of(io.BytesIO(zip_of({}))) == ".zip"
    assert suffix_of(io.BytesIO(tar_of())) == ".tar.gz"
