"""The folders that attempts work in come and go while somebody looks."""

import shutil
from pathlib import Path

from fanfold.effects import Effects
from fanfold.pipeline.workspace import Workspace


def made(place: Path, *names: str) -> Workspace:
    for name in names:
        (place / "scratch" / name).mkdir(parents=True)
    return Workspace(place, Effects())


def test_folders_that_vanish_meanwhile_are_not_missed(tmp_path: Path) -> None:
    workspace = made(tmp_path, "local-0.7/a/job.app-0.1", "local-0.7/b/job.app-1.1", "local-1.8/a/job.app-2.1")
    found = workspace.at_work()
    next(found)
    shutil.rmtree(tmp_path / "scratch")
    list(found)
    assert list(workspace.at_work()) == []


def test_the_door_of_a_container_is_no_attempt_and_is_not_swept(tmp_path: Path) -> None:
    workspace = made(tmp_path, "local-0.7/a/job.app-0.1", "local-0.7/a/job.app-1.1")
    door = tmp_path / "scratch" / "local-0.7" / ".door-x"
    door.mkdir()
    (door / "door").touch()
    (tmp_path / "scratch" / "stray").touch()
    assert sorted(path.name for path in workspace.at_work()) == ["job.app-0.1", "job.app-1.1"]
    assert workspace.sweep_scratch(frozenset({"job.app-0.1"})) == 1
    assert [path.name for path in workspace.at_work()] == ["job.app-0.1"]
    assert (door / "door").exists()
