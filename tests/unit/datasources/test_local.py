"""Folders of this machine as a destination."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fanfold.datasources.listings import MANIFEST, pending_of
from fanfold.datasources.local import LocalFolder
from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.ports.datasource import OutputFile

local = LocalFolder(Effects())


def ref(path: Path) -> DataRef:
    return DataRef("local", {"path": str(path)})


def output(tmp_path: Path, name: str, data: bytes = b"new") -> OutputFile:
    made = tmp_path / "result" / name
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_bytes(data)
    return OutputFile(str(made), ResultFile(name, len(data), digest(data)))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def never() -> bool:
    return False


def test_a_destination_that_is_a_file_or_below_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(BadInput, match="file' is not a folder"):
            local.check_destination(ref(place))
    local.check_destination(ref(tmp_path / "not" / "yet" / "there"))
    assert not (tmp_path / "not").exists()


def test_the_manifest_lists_the_output_and_comes_last(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert local.deliver(ref(out), "job", [output(tmp_path, "a/x"), output(tmp_path, "y", b"")], never) == (2, 3)
    told = json.loads((out / MANIFEST).read_bytes())
    assert told == {
        "jobId": "job",
        "files": [
            {"name": "a/x", "size": 3, "sha256": digest(b"new")},
            {"name": "y", "size": 0, "sha256": digest(b"")},
        ],
    }
    assert not (out / pending_of("job")).exists()


def test_what_stood_in_the_folder_before_stays_but_for_files_of_the_same_name(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_bytes(b"mine")
    (out / "x").write_bytes(b"old")
    local.deliver(ref(out), "job", [output(tmp_path, "x")], never)
    assert ((out / "mine").read_bytes(), (out / "x").read_bytes()) == (b"mine", b"new")
    local.take_back(ref(out), "job")
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_an_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "x").write_bytes(b"old")
    seen = []

    class Watching(Effects):
        def about_to(self, kind: str, what: str) -> None:
            seen.append((out / "x").read_bytes())

    LocalFolder(Watching()).deliver(ref(out), "job", [output(tmp_path, "x")], never)
    assert seen == [b"old"] * seen.count(b"old") + [b"new"] * seen.count(b"new")
    assert b"new" in seen


def test_an_output_called_like_the_manifest_is_refused(tmp_path: Path) -> None:
    for name in (MANIFEST, pending_of("job"), pending_of("another")):
        with pytest.raises(BadInput, match="reserved"):
            local.deliver(ref(tmp_path / "out"), "job", [output(tmp_path, name)], never)


@pytest.mark.parametrize("name", ["../mine", "a/../../mine"])
def test_a_manifest_that_names_places_outside_takes_nothing_back_from_there(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine").write_bytes(b"")
    (out / MANIFEST).write_text(json.dumps({"jobId": "job", "files": [{"name": name}]}))
    local.take_back(ref(out), "job")
    assert (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", '{"files": []}', '{"jobId": "job"}', '{"jobId": "job", "files": [1]}']
)
def test_a_manifest_that_somebody_spoilt_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    local.take_back(ref(tmp_path), "job")
    assert (tmp_path / MANIFEST).read_text() == text


class Between(Effects):
    """Something happens at one effect of a delivery."""

    def __init__(self, at: int, what_happens: Callable[[], object]) -> None:
        self._left = at
        self._happens = what_happens

    def about_to(self, kind: str, what: str) -> None:
        self._left -= 1
        if self._left == 0:
            self._happens()


@pytest.mark.parametrize("at", range(1, 14))
def test_another_jobs_delivery_to_the_folder_is_left_alone(tmp_path: Path, at: int) -> None:
    out = tmp_path / "out"
    mine, theirs = output(tmp_path, "same"), output(tmp_path / "b", "same", b"theirs")
    extra = output(tmp_path / "b", "extra")
    answers = iter([False, True])

    def taken_back_half_way() -> None:
        assert local.deliver(ref(out), "theirs", [extra, theirs], lambda: next(answers)) == (0, 0)

    LocalFolder(Between(at, taken_back_half_way)).deliver(ref(out), "mine", [mine], never)
    assert {path.name for path in out.iterdir()} == {"same", MANIFEST}
    assert ((out / "same").read_bytes(), json.loads((out / MANIFEST).read_bytes())["jobId"]) == (b"new", "mine")
    shutil.rmtree(out)

    def comes_to_its_end() -> None:
        local.deliver(ref(out), "theirs", [extra, theirs], never)

    LocalFolder(Between(at, comes_to_its_end)).deliver(ref(out), "mine", [mine], never)
    assert {path.name for path in out.iterdir()} == {"same", "extra", MANIFEST}
