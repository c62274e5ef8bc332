"""Block folders and scripts, pinned by their content."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput, BadManifest, NotFound
from fanfold.jobs.blocks import BlockType
from fanfold.services import packages
from fanfold.services.block_files import BlockFiles
from fanfold.services.packages import Packages
from tests.people import TurnedClock


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """A block folder that is right."""
    folder = tmp_path / "word-count"
    (folder / "app" / "inner").mkdir(parents=True)
    (folder / "app" / "main.py").write_text("print(1)")
    (folder / "app" / "inner" / "more.py").write_text("")
    manifest(folder)
    return folder


def manifest(folder: Path, **more: Any) -> None:
    (folder / "manifest.json").write_text(json.dumps({"name": "word-count", "version": "0.1", **more}))


@pytest.fixture
def storage(tmp_path: Path) -> Packages:
    return Packages(BlockFiles(tmp_path / "state", Effects(), TurnedClock()), Effects())


def stored(tmp_path: Path, key: str) -> list[str]:
    base = tmp_path / "state" / key
    return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


def test_a_block_is_copied_under_the_hash_of_its_content(block: Path, storage: Packages, tmp_path: Path) -> None:
    (block / "app" / "__pycache__").mkdir()
    (block / "app" / "__pycache__" / "main.pyc").write_bytes(b"")
    (block / "schema.json").write_text('{"type": "object"}')
    read = storage.take(block, BlockType.APP)
    assert (read.pinned.tag, read.pinned.package) == ("word-count@0.1", f"packages/{read.pinned.sha256}")
    assert read.schema == {"type": "object"}
    assert stored(tmp_path, read.pinned.package) == ["inner/more.py", "main.py"]


def test_the_same_content_is_the_same_package_and_another_is_another(block: Path, storage: Packages) -> None:
    first = storage.take(block, BlockType.APP).pinned
    assert storage.take(block, BlockType.APP).pinned == first
    (block / "app" / "main.py").write_text("print(2)")
    assert storage.take(block, BlockType.APP).pinned.sha256 != first.sha256


def test_what_may_be_executed_stays_so(block: Path, storage: Packages, tmp_path: Path) -> None:
    (block / "app" / "main.py").chmod(0o700)
    key = storage.take(block, BlockType.APP).pinned.package
    modes = [(tmp_path / "state" / key / name).stat().st_mode & 0o777 for name in ("main.py", "inner/more.py")]
    assert modes == [0o755, 0o644]


@pytest.mark.parametrize("name", ["count.py", "my script.sh", "über blick.py", "a" * 100 + ".py", ".py", "ünïcödé"])
def test_a_single_script_is_a_block_of_its_own(storage: Packages, tmp_path: Path, name: str) -> None:
    script = tmp_path / name
    script.write_text("print(1)")
    read = storage.take(script, BlockType.PARTITIONER)
    assert (read.manifest.entrypoint, read.manifest.type) == (name, BlockType.PARTITIONER)
    assert stored(tmp_path, read.pinned.package) == [name]


def test_a_place_that_is_not_there_is_named(storage: Packages, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no block folder or script '.*nowhere'"):
        storage.take(tmp_path / "nowhere", BlockType.APP)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("\xff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"name": "a b", "version": 1}', "name: .*; version: "),
        ('{"name": "a", "version": "0.1", "type": "assembler"}', 'expected "app", found "assembler"'),
        ('{"name": "a", "version": "0.1", "entrypoint": "no.py"}', "there is no file 'app/no.py'"),
        ('{"name": "a", "version": "0.1", "entrypoint": "inner"}', "there is no file 'app/inner'"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_in_words(block: Path, storage: Packages, text: str, said: str) -> None:
    (block / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadManifest, match=said):
        storage.take(block, BlockType.APP)


def test_a_folder_without_manifest_or_program_says_what_to_do(storage: Packages, block: Path) -> None:
    (block / "app").rename(block / "src")
    with pytest.raises(BadManifest, match="no folder 'app'"):
        storage.take(block, BlockType.APP)
    (block / "manifest.json").unlink()
    with pytest.raises(BadManifest, match="type: fanfold app new NAME"):
        storage.take(block, BlockType.APP)


def test_a_schema_that_is_wrong_is_refused(block: Path, storage: Packages) -> None:
    (block / "schema.json").write_text('{"type": "objekt"}')
    with pytest.raises(BadManifest, match="not a JSON Schema"):
        storage.take(block, BlockType.APP)


@pytest.mark.parametrize("target", ["/etc/hostname", "../manifest.json", "/etc", "nowhere"])
def test_a_link_that_leads_out_of_the_block_or_nowhere_is_refused(block: Path, storage: Packages, target: str) -> None:
    (block / "app" / "link").symlink_to(target)
    with pytest.raises(BadInput, match="link'"):
        storage.take(block, BlockType.APP)


def test_a_link_inside_the_block_comes_as_the_file_it_means(block: Path, storage: Packages, tmp_path: Path) -> None:
    (block / "app" / "again.py").symlink_to("main.py")
    key = storage.take(block, BlockType.APP).pinned.package
    assert (tmp_path / "state" / key / "again.py").read_text() == "print(1)"


def test_a_pipe_in_a_block_is_refused_and_not_waited_for(block: Path, storage: Packages) -> None:
    os.mkfifo(block / "app" / "pipe")
    with pytest.raises(BadInput, match="pipe'"):
        storage.take(block, BlockType.APP)


def test_a_block_that_is_too_large_is_refused(block: Path, storage: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_FILES", 1)
    with pytest.raises(BadInput, match="at most 1 files"):
        storage.take(block, BlockType.APP)
    monkeypatch.setattr(packages, "MAX_FILES", 9)
    monkeypatch.setattr(packages, "MAX_BYTES", 3)
    with pytest.raises(BadInput, match="and 3 bytes"):
        storage.take(block, BlockType.APP)


def test_a_copy_that_was_cut_short_is_made_again(block: Path, storage: Packages, tmp_path: Path) -> None:
    key = storage.take(block, BlockType.APP).pinned.package
    done = tmp_path / "state" / key
    part = done.with_name(f".{done.name}.part")
    done.rename(part)
    (part / "main.py").unlink()
    storage.take(block, BlockType.APP)
    assert stored(tmp_path, key) == ["inner/more.py", "main.py"]
