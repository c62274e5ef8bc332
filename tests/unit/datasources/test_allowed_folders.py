"""A server's `local` source and destination stay below the folders that its operator allowed, whatever is asked."""

from pathlib import Path
from typing import Any

import pytest

from fanfold.datasources.local import LocalFolder
from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.ports.datasource import OutputFile, Staging

SAID = "no folder that this server allows"


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "in.txt").write_text("in")
    (tmp_path / "allowed-not").mkdir()
    (tmp_path / "allowed-not" / "secret.txt").write_text("secret")
    return tmp_path / "allowed"


@pytest.fixture
def local(allowed: Path) -> LocalFolder:
    return LocalFolder(Effects(), (allowed,))


def listed(local: LocalFolder, path: object, folder: Path) -> list[str]:
    ref = DataRef("local", {"path": str(path)})
    return [file.name for file in local.list_source(ref, Staging("job", folder, lambda: False))]


def test_what_lies_below_an_allowed_folder_is_read(local: LocalFolder, allowed: Path, tmp_path: Path) -> None:
    for path in (allowed, allowed / "in.txt", allowed / ".." / "allowed"):
        local.check_source(DataRef("local", {"path": str(path)}), "job")
        assert listed(local, path, tmp_path) == ["in.txt"]


def outside(allowed: Path) -> list[Any]:
    other = allowed.parent / "allowed-not"
    (allowed / "link").symlink_to(other)
    (allowed / "round").symlink_to(allowed / "round")
    inside = [allowed / ".." / "allowed-not", allowed / "link", allowed / "link" / "secret.txt", allowed / "round"]
    return [other, other / "secret.txt", "/", "/etc/passwd", "relative", ".", "..", "x" * 5000, "a\0b", *inside]


def test_nothing_else_is_read_or_even_looked_at(local: LocalFolder, allowed: Path, tmp_path: Path) -> None:
    for path in outside(allowed):
        ref = DataRef("local", {"path": str(path)})
        with pytest.raises(BadInput, match=SAID):
            local.check_source(ref, "job")
        with pytest.raises(BadInput, match=SAID):
            listed(local, path, tmp_path)


def test_nothing_else_is_written(local: LocalFolder, allowed: Path) -> None:
    for path in outside(allowed):
        ref = DataRef("local", {"path": str(path)})
        with pytest.raises(BadInput, match=SAID):
            local.check_destination(ref)
        with pytest.raises(BadInput, match=SAID):
            local.deliver(ref, "job", [], lambda: False)
        with pytest.raises(BadInput, match=SAID):
            local.take_back(ref, "job")


def test_a_link_below_an_allowed_folder_leads_out_of_nothing(local: LocalFolder, allowed: Path, tmp_path: Path) -> None:
    (allowed / "leak.txt").symlink_to(allowed.parent / "allowed-not" / "secret.txt")
    with pytest.raises(BadInput, match="leads out of the folders"):
        listed(local, allowed, tmp_path)


def test_an_output_does_not_leave_through_a_link_that_lies_there(
    local: LocalFolder, allowed: Path, tmp_path: Path
) -> None:
    (allowed / "out").mkdir()
    (allowed / "out" / "deep").symlink_to(allowed.parent / "allowed-not")
    (tmp_path / "made").write_text("made")
    output = [OutputFile(str(tmp_path / "made"), ResultFile("deep/made.txt", 4))]
    with pytest.raises(BadInput, match="leads out of the folders"):
        local.deliver(DataRef("local", {"path": str(allowed / "out")}), "job", output, lambda: False)
    assert not (allowed.parent / "allowed-not" / "made.txt").exists()


def test_a_server_that_allows_no_folder_reads_none(allowed: Path) -> None:
    with pytest.raises(BadInput, match=SAID):
        LocalFolder(Effects(), ()).check_source(DataRef("local", {"path": str(allowed)}), "job")


@pytest.mark.parametrize("path", [7, ["a"], {"a": 1}, True])
def test_a_path_that_is_no_text_is_refused_by_name(local: LocalFolder, path: Any) -> None:
    with pytest.raises(BadInput, match=r"dataSource\.params\.path: expected the path"):
        local.check_source(DataRef("local", {"path": path}), "job")


@pytest.mark.parametrize("paths", [7, "text", {"a": 1}, [7], ["/etc/passwd"]])
def test_several_paths_are_checked_one_by_one(local: LocalFolder, paths: Any) -> None:
    with pytest.raises(BadInput, match=r"dataSource\.params\.path: "):
        local.check_source(DataRef("local", {"paths": paths}), "job")


def test_unknown_params_are_refused_by_name(local: LocalFolder, allowed: Path) -> None:
    with pytest.raises(BadInput, match=r"params\.glob: is unknown"):
        local.check_source(DataRef("local", {"path": str(allowed), "glob": "*"}), "job")
