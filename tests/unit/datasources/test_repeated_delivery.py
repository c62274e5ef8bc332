"""A delivery may be cut short anywhere, repeated, or taken back; the destination shows none of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanfold.datasources.local import LocalFolder
from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import DataRef, ResultFile
from fanfold.ports.datasource import OutputFile

FILES = ("first.txt", "in/second.txt")


class Cut(BaseException):
    """The process died here."""


class CutEffects(Effects):
    """Dies at its n-th effect; n = 0: never."""

    def __init__(self, dies_at: int = 0) -> None:
        self.count = 0
        self._dies_at = dies_at

    def about_to(self, kind: str, what: str) -> None:
        self.count += 1
        if self.count == self._dies_at:
            raise Cut(f"{kind} {what}")


def made(place: Path) -> list[OutputFile]:
    """Two files of a result."""
    for name in FILES:
        (place / "result" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "result" / name).write_text(name)
    return [OutputFile(str(place / "result" / name), ResultFile(name, len(name))) for name in FILES]


def seen(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def never() -> bool:
    return False


def cut_deliveries(tmp_path: Path) -> Iterator[tuple[DataRef, list[OutputFile]]]:
    """Deliveries that died at their first, second, third ... effect, each to a destination of its own."""
    files = made(tmp_path)
    for dies_at in range(1, 100):
        ref = DataRef("local", {"path": str(tmp_path / f"out-{dies_at}")})
        try:
            LocalFolder(CutEffects(dies_at)).deliver(ref, "job", files, never)
        except Cut:
            yield ref, files
        else:
            assert dies_at > 10
            return


def test_a_delivery_that_is_repeated_leaves_the_output_and_nothing_else(tmp_path: Path) -> None:
    for ref, files in cut_deliveries(tmp_path):
        LocalFolder(Effects()).deliver(ref, "job", files, never)
        assert seen(Path(ref.params["path"])) == {*FILES, ".fanfold-output.json"}


def test_a_delivery_that_is_taken_back_leaves_nothing(tmp_path: Path) -> None:
    for ref, _ in cut_deliveries(tmp_path):
        LocalFolder(Effects()).take_back(ref, "job")
        assert seen(Path(ref.params["path"])) == set()


def test_every_folder_of_the_output_is_on_disk_before_its_manifest(tmp_path: Path) -> None:
    told: list[str] = []

    class Told(Effects):
        def about_to(self, kind: str, what: str) -> None:
            told.append(f"{kind} {what}")

    (tmp_path / "file").write_text("deep")
    deep = OutputFile(str(tmp_path / "file"), ResultFile("a/b/c.txt", 4))
    LocalFolder(Told()).deliver(DataRef("local", {"path": str(tmp_path / "out")}), "job", [deep], never)
    manifest = told.index("rename .fanfold-output.json")
    assert {"fsync a", "fsync b", "fsync out"} <= set(told[:manifest])


def test_a_destination_that_refuses_a_file_is_named(tmp_path: Path) -> None:
    files = made(tmp_path)
    (tmp_path / "out" / "in" / "second.txt").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"second\.txt' is a folder"):
        LocalFolder(Effects()).deliver(DataRef("local", {"path": str(tmp_path / "out")}), "job", files, never)
