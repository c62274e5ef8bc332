"""split-bytes, passthrough, replicate, list-files, list-items."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builtin.running import bodies, partition, planned

BYPASS = {"empty": b""}


@given(data=st.binary(max_size=200), most=st.integers(1, 60))
def test_split_bytes_cuts_at_max_bytes(data: bytes, most: int) -> None:
    assert bodies("split-bytes", {"max_bytes": most}, data) == [
        data[start : start + most] for start in range(0, len(data), most)
    ]


@given(data=st.binary(max_size=200), count=st.integers(1, 60))
def test_split_bytes_makes_equal_chunks_and_no_empty_one(data: bytes, count: int) -> None:
    chunks = bodies("split-bytes", {"num_chunks": count}, data)
    assert b"".join(chunks) == data
    assert len(chunks) == min(count, len(data))
    assert not chunks or max(map(len, chunks)) - min(map(len, chunks)) <= 1


@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=6), count=st.integers(1, 40))
def test_num_chunks_counts_all_files_together(sizes: list[int], count: int) -> None:
    chunks = planned("split-bytes", {"num_chunks": count}, *(b"x" * size for size in sizes))
    filled = sum(size > 0 for size in sizes)
    assert len(chunks) <= max(count, filled)
    assert {chunk.source for chunk in chunks} == {number for number, size in enumerate(sizes) if size}
    if filled and all(size == 0 or size >= count for size in sizes):
        assert len(chunks) == max(count, filled)


def test_split_bytes_takes_binary_files(tmp_path: Path) -> None:
    ran = partition(tmp_path, "split-bytes", {"max_bytes": 3}, {"b.bin": b"\0\1\2\3", "a.bin": b"\xff"})
    assert ran.chunks == [b"\xff", b"\0\1\2", b"\3"]
    assert ran.labels == ["a.bin bytes 0-0", "b.bin bytes 0-2", "b.bin bytes 3-3"]


def test_passthrough_makes_each_file_a_chunk_in_name_order(tmp_path: Path) -> None:
    files = {"b.txt": b"2", "a.txt": b"", "c/d.txt": b"3"}
    ran = partition(tmp_path, "passthrough", {}, files)
    assert ran.chunks == [b"", b"2", b"3"]
    assert ran.labels == ["a.txt", "b.txt", "c/d.txt"]


def test_passthrough_makes_one_empty_chunk_of_bypass(tmp_path: Path) -> None:
    assert partition(tmp_path, "passthrough", {}, BYPASS).chunks == [b""]


@pytest.mark.parametrize("name", ["split-lines", "split-bytes", "split-csv", "split-json"])
def test_splitters_make_no_chunk_of_an_empty_file(tmp_path: Path, name: str) -> None:
    ran = partition(tmp_path, name, {}, BYPASS)
    assert (ran.status, ran.chunks) == (0, [])


def test_replicate_repeats_each_file(tmp_path: Path) -> None:
    ran = partition(tmp_path, "replicate", {"num_replicas": 2}, {"a": b"A", "b": b"B"})
    assert ran.chunks == [b"A", b"A", b"B", b"B"]
    assert ran.labels == ["a replica 1 of 2", "a replica 2 of 2", "b replica 1 of 2", "b replica 2 of 2"]


def test_replicate_makes_its_copies_of_bypass(tmp_path: Path) -> None:
    assert partition(tmp_path, "replicate", {"num_replicas": 3}, BYPASS).chunks == [b""] * 3


def test_replicate_asks_how_often(tmp_path: Path) -> None:
    ran = partition(tmp_path, "replicate", {}, BYPASS)
    assert ran.status == 2
    assert ran.stderr.startswith('param "num_replicas" is missing')


def test_list_files_packs_files_with_their_names(tmp_path: Path) -> None:
    files = {"b.txt": b"2", "a.txt": b"1", "sub/c.txt": b"3"}
    ran = partition(tmp_path, "list-files", {"files_per_chunk": 2}, files)
    assert [unpacked(chunk) for chunk in ran.chunks] == [{"a.txt": b"1", "b.txt": b"2"}, {"sub/c.txt": b"3"}]
    assert ran.labels == ["a.txt ... b.txt (2 files)", "sub/c.txt"]


def test_list_files_gives_equal_bytes_whenever_the_files_were_made(tmp_path: Path) -> None:
    first = partition(tmp_path, "list-files", {}, {"a": b"1"}).chunks
    os.utime(tmp_path / "source" / "a", (1, 1))
    (tmp_path / "source" / "a").chmod(0o600)
    assert partition(tmp_path, "list-files", {}).chunks == first


@pytest.mark.parametrize(("form", "chunk"), [("concat", b"12"), ("names", b"a\nb\n")])
def test_list_files_also_joins_contents_and_lists_names(tmp_path: Path, form: str, chunk: bytes) -> None:
    ran = partition(tmp_path, "list-files", {"files_per_chunk": 9, "format": form}, {"a": b"1", "b": b"2"})
    assert ran.chunks == [chunk]


def test_a_name_with_a_line_break_fits_a_tar_but_no_list(tmp_path: Path) -> None:
    files = {"two\nlines": b"1"}
    assert unpacked(partition(tmp_path, "list-files", {}, files).chunks[0]) == files
    ran = partition(tmp_path, "list-files", {"format": "names"}, files)
    assert (ran.status, ran.stderr) == (
        2,
        'the name "two\ufffdlines" contains a line break and cannot stand in a list: use "format": "tar"\n',
    )


def unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("params", "chunks", "labels"),
    [
        ({"items": ["a", {"b": 1}, 2], "per_chunk": 2}, [b'a\n{"b": 1}\n', b"2\n"], ["items 1-2", "2"]),
        ({"items": ["one\nprompt"]}, [b"one\nprompt\n"], ["one\ufffdprompt"]),
        ({"items": ["é", None], "format": "json"}, [b'"\\u00e9"\n', b"null\n"], ["é", "null"]),
        ({"items": []}, [], []),
    ],
)
def test_list_items_writes_one_item_per_line(
    tmp_path: Path, params: dict[str, Any], chunks: list[bytes], labels: list[str]
) -> None:
    ran = partition(tmp_path, "list-items", params, BYPASS)
    assert (ran.chunks, ran.labels) == (chunks, labels)


def test_list_items_refuses_line_breaks_between_lines(tmp_path: Path) -> None:
    ran = partition(tmp_path, "list-items", {"items": ["a", "b\nc"], "per_chunk": 2}, BYPASS)
    assert ran.status == 2
    assert ran.stderr.startswith("item 2 contains a line break")
