"""A delivery may be cut short anywhere, repeated, or taken back; the destination shows none of it."""

import hashlib
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


def output_of(place: Path, job_id: str, text: str) -> list[OutputFile]:
    """A result with one file, as an assembler of one job makes it."""
    file = place / job_id / "out.txt"
    file.parent.mkdir()
    file.write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return [OutputFile(str(file), ResultFile("out.txt", len(text), digest))]


@pytest.mark.parametrize("theirs", ["theirs", "mine", "longer than mine"], ids=["as long", "the same", "longer"])
@pytest.mark.parametrize("cut_too", [False, True], ids=["whole", "cut short"])
def test_taking_back_leaves_what_another_job_has_delivered_under_the_same_name(
    theirs: str, cut_too: bool, tmp_path: Path
) -> None:
    """Whatever the other one has replaced by then, and whether it is done."""
    mine, other = output_of(tmp_path, "one", "mine"), output_of(tmp_path, "other", theirs.ljust(4))
    for dies_at in range(1, 100):
        ref = DataRef("local", {"path": str(tmp_path / f"out-{dies_at}")})
        cut = False
        try:
            LocalFolder(CutEffects(dies_at)).deliver(ref, "one", mine, never)
        except Cut:
            cut = True
        place = Path(ref.params["path"])
        if cut_too:
            with pytest.raises(Cut):
                LocalFolder(CutBeforeTheListing()).deliver(ref, "other", other, never)
        else:
            LocalFolder(Effects()).deliver(ref, "other", other, never)
        LocalFolder(Effects()).take_back(ref, "one")
        assert (place / "out.txt").read_text() == theirs.ljust(4), f"effect {dies_at}"
        LocalFolder(Effects()).deliver(ref, "other", other, never)
        assert seen(place) == {"out.txt", ".fanfold-output.json"}, f"effect {dies_at}"
        LocalFolder(Effects()).take_back(ref, "other")
        assert seen(place) == set(), f"effect {dies_at}"
        if not cut:
            assert dies_at > 8
            return


class CutBeforeTheListing(Effects):
    """Dies when the output is there and its listing has not its name yet."""

    def about_to(self, kind: str, what: str) -> None:
        if (kind, what) == ("rename", ".fanfold-output.json"):
            raise Cut


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"[]",
        b'{"jobId": "one"}',
        b'{"jobId": "one", "files": [{"name": "kept.txt"}]}',
        b'{"jobId": "one", "files": [{"name": "../kept.txt", "size": 4}]}',
        b'{"jobId": "one", "files": [{"name": "link.txt", "size": 4}]}',
        b"[" * 100_000,
    ],
)
def test_a_listing_that_somebody_has_written_over_takes_nothing_along(listing: bytes, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept.txt").write_text("kept")
    (out / "link.txt").symlink_to(tmp_path / "kept.txt")
    (out / ".fanfold-output.json").write_bytes(listing)
    LocalFolder(Effects()).take_back(DataRef("local", {"path": str(out)}), "one")
    assert (tmp_path / "kept.txt").read_text() == (out / "kept.txt").read_text() == "kept"
    assert (out / "link.txt").is_symlink()


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
