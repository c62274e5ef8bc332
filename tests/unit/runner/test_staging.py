"""Stage in and stage out: chunks byte for byte, results whatever a program left."""

import json
import os
import socket
from pathlib import Path

import pytest

from fanfold.blobs.files import FileBlobs
from fanfold.effects import Effects, etag_of
from fanfold.jobs.chunks import FileChunk, RangeChunk
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.ports.executor import Input, RunOrder
from fanfold.runner.staging import (
    INLINE_FILES,
    MANIFEST_FILE,
    MAX_DEPTH,
    BadResult,
    ChunkChanged,
    TooLarge,
    manifest_files,
    stage_in,
)
from tests.unit.runner.publishing import stage_out


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder that a program writes into."""
    folder = tmp_path / "scratch" / "out"
    folder.mkdir(parents=True)
    (tmp_path / "results").mkdir()
    return folder


def published(made: Path) -> Path:
    return made.parent.parent / "results" / "app-0.1"


def taken(made: Path) -> list[str]:
    """Publish a result; the paths in its manifest."""
    manifest = stage_out(made, published(made), FileBlobs(Effects()), hashed=True)
    return [file.path for file in manifest_files(manifest, published(made), FileBlobs(Effects()))]


def staged(tmp_path: Path, *inputs: Input, inputs_file: str = "") -> dict[str, bytes]:
    """Stage in; what lies in the program's folder then."""
    target = tmp_path / "in"
    target.mkdir()
    order = RunOrder(
        AttemptKey(TaskKey("job", Role.APP, 0), 1), 1, str(tmp_path), "", "", "", inputs=inputs, inputs_file=inputs_file
    )
    size = stage_in(order, target, Effects(), lambda: False, FileBlobs(Effects())).size_bytes
    found = {str(path.relative_to(target)): path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()}
    assert size == sum(map(len, found.values()))
    return found


def ranged(tmp_path: Path, **fields: object) -> RangeChunk:
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    plain = {"offset": 3, "length": 4, "prefix": b"", "suffix": b""} | fields
    return RangeChunk(str(source), etag_of(source.stat()), **plain)


# ---- stage in


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({}, b"3456"),
        ({"prefix": b"a,b\n"}, b"a,b\n3456"),
        ({"prefix": b"[", "suffix": b"]"}, b"[3456]"),
        ({"offset": 0, "length": 10}, b"0123456789"),
        ({"offset": 10, "length": 0, "suffix": b"."}, b"."),
    ],
)
def test_a_range_of_the_source_comes_with_what_stands_round_it(
    tmp_path: Path, fields: dict[str, object], data: bytes
) -> None:
    assert staged(tmp_path, Input("data.bin", chunk=ranged(tmp_path, **fields))) == {"data.bin": data}


def test_a_chunk_of_no_source_is_what_stands_in_it(tmp_path: Path) -> None:
    nothing, text = RangeChunk("", "", 0, 0), RangeChunk("", "", 0, 0, b"head", b"tail")
    found = staged(tmp_path, Input("data.bin", chunk=nothing), Input("text.bin", chunk=text))
    assert found == {"data.bin": b"", "text.bin": b"headtail"}


@pytest.mark.parametrize("change", ["written", "replaced", "removed"])
def test_a_source_that_changed_since_it_was_split_is_told(tmp_path: Path, change: str) -> None:
    chunk = ranged(tmp_path)
    source = Path(chunk.location)
    source.unlink()
    if change != "removed":
        source.write_bytes(b"0123456789" if change == "replaced" else b"other")
    with pytest.raises(ChunkChanged, match="source"):
        staged(tmp_path, Input("data.bin", chunk=chunk))


def test_a_range_beyond_the_end_of_its_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(ChunkChanged, match="ended after 10 bytes"):
        staged(tmp_path, Input("data.bin", chunk=ranged(tmp_path, length=8)))


def test_a_chunk_file_comes_as_it_is_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "data_0.bin").write_bytes(b"chunk")
    assert staged(tmp_path, Input("data.bin", chunk=FileChunk("data_0.bin", 5))) == {"data.bin": b"chunk"}
    (tmp_path / "in" / "data.bin").unlink()
    (tmp_path / "in").rmdir()
    with pytest.raises(ChunkChanged, match="had 6 bytes"):
        staged(tmp_path, Input("data.bin", chunk=FileChunk("data_0.bin", 6)))


def test_many_inputs_are_read_from_a_list(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    rows = [{"name": "a/b/x", "location": str(tmp_path / "x")}, {"name": "empty", "location": ""}]
    (tmp_path / "inputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert staged(tmp_path, inputs_file=str(tmp_path / "inputs.jsonl")) == {"a/b/x": b"x", "empty": b""}


def test_an_input_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChunkChanged, match="'nowhere' cannot be read any more"):
        staged(tmp_path, Input("a", "nowhere"))


def test_an_input_that_is_a_link_comes_as_the_file_it_means(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"real")
    (tmp_path / "link").symlink_to("real")
    assert staged(tmp_path, Input("a", "link")) == {"a": b"real"}
    assert not (tmp_path / "in" / "a").is_symlink()


# ---- stage out


def test_a_result_is_listed_by_path_with_sizes_and_hashes_and_moved_whole(made: Path) -> None:
    (made / "b").mkdir()
    (made / "b" / "x.txt").write_bytes(b"xx")
    (made / "a.txt").write_bytes(b"")
    manifest = stage_out(made, published(made), FileBlobs(Effects()), hashed=True)
    assert (manifest.count, manifest.size_bytes) == (2, 2)
    assert [file.path for file in manifest.files or ()] == ["a.txt", "b/x.txt"]
    assert (manifest.files or ())[0].sha256.startswith("e3b0c442")
    assert (published(made) / "b" / "x.txt").read_bytes() == b"xx"
    assert not made.exists()


def test_a_result_that_need_not_be_hashed_is_not(made: Path) -> None:
    (made / "a").write_bytes(b"a")
    manifest = stage_out(made, published(made), FileBlobs(Effects()), hashed=False)
    assert [file.sha256 for file in manifest.files or ()] == [""]


def test_an_empty_result_is_a_result(made: Path) -> None:
    assert taken(made) == []
    assert published(made).is_dir()


@pytest.mark.parametrize("count", [INLINE_FILES, INLINE_FILES + 1])
def test_many_files_are_listed_beside_them(made: Path, count: int) -> None:
    for number in range(count):
        (made / f"{number:03}").write_bytes(b"x")
    manifest = stage_out(made, published(made), FileBlobs(Effects()), hashed=True)
    assert (manifest.count, manifest.size_bytes, manifest.files is None) == (count, count, count > INLINE_FILES)
    assert [file.path for file in manifest_files(manifest, published(made), FileBlobs(Effects()))] == [
        f"{number:03}" for number in range(count)
    ]


@pytest.mark.parametrize("kind", ["link", "dangling link", "link to a folder", "fifo", "socket"])
@pytest.mark.parametrize("folder", [".", "deep/down"])
def test_what_is_neither_file_nor_folder_is_refused_by_name(
    made: Path, kind: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made / folder / "odd"
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "socket":
        monkeypatch.chdir(place.parent)  # the path of a socket may have 107 bytes only
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("odd")
    else:
        place.symlink_to({"link": "/etc/hostname", "dangling link": "nowhere"}.get(kind, "/"))
    with pytest.raises(BadResult, match=r"odd', which is neither a file nor a folder"):
        taken(made)
    assert not published(made).exists()


@pytest.mark.parametrize("name", [b"new\nline", b"esc\x1b[2J", b"del\x7f", b"not utf-8 \xff", MANIFEST_FILE.encode()])
def test_a_name_that_cannot_be_spoken_is_refused(made: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(made) + b"/" + name))).write_bytes(b"")
    with pytest.raises(BadResult) as refused:
        taken(made)
    str(refused.value).encode()
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("name", ["ü 🙂", "-rf", "a'b\"c", ".hidden", "back\\slash", "data_0.bin", "x" * 255])
def test_a_name_that_is_only_unusual_is_kept(made: Path, name: str) -> None:
    (made / name).write_bytes(b"1")
    assert taken(made) == [name]


def test_what_nobody_may_read_is_taken_all_the_same(made: Path) -> None:
    (made / "closed").mkdir()
    (made / "closed" / "secret").write_bytes(b"1")
    (made / "closed" / "secret").chmod(0)
    (made / "closed").chmod(0)
    assert taken(made) == ["closed/secret"]
    assert (published(made) / "closed" / "secret").stat().st_mode & 0o777 == 0o644
    assert (published(made) / "closed").stat().st_mode & 0o777 == 0o755


def test_a_program_s_modes_are_not_kept(made: Path) -> None:
    (made / "setuid").write_bytes(b"1")
    (made / "setuid").chmod(0o6777)
    taken(made)
    assert (published(made) / "setuid").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(("depth", "right"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_folders_may_be_nested_so_deep_and_no_deeper(made: Path, depth: int, right: bool) -> None:
    place = made.joinpath(*["d"] * depth)
    place.mkdir(parents=True)
    (place / "x").write_bytes(b"1")
    if right:
        assert len(taken(made)) == 1
    else:
        with pytest.raises(BadResult, match="nested deeper than 64"):
            taken(made)


def test_a_path_too_long_for_the_system_is_refused(made: Path) -> None:
    folder = os.open(made, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("n" * 250, dir_fd=folder)
        inner = os.open("n" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    with pytest.raises(BadResult, match="at most 1024 bytes"):
        taken(made)
    Effects().remove_tree(made)
    assert not made.exists()


def test_a_hole_is_as_large_as_it_says(made: Path) -> None:
    with open(made / "hole", "wb") as file:
        file.truncate(1 << 24)
    assert stage_out(made, published(made), FileBlobs(Effects()), hashed=False).size_bytes == 1 << 24


def test_a_result_larger_than_a_programs_folders_may_be_is_refused_before_it_is_read(tmp_path: Path) -> None:
    made = tmp_path / "out"
    made.mkdir()
    (made / "small").write_bytes(b"x")
    with open(made / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLarge, match=r"its result is too large \(limit 1 GiB\)"):
        stage_out(made, tmp_path / "published", FileBlobs(Effects()), hashed=True, most_bytes=1 << 30)
    assert not (tmp_path / "published").exists()
