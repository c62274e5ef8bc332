"""What a chunk's content is called."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.blobs.files import FileBlobs
from fanfold.effects import Effects, etag_of
from fanfold.errors import Unavailable
from fanfold.jobs.chunks import RangeChunk
from fanfold.pipeline.contents import with_contents

BORDER = 1024 * 1024


def named(*chunks: RangeChunk, place: str = "here") -> list[str]:
    found = with_contents(chunks, lambda location: f"{place}/{location}", lambda: False, FileBlobs(Effects()))
    return [chunk.content for chunk in found]


def chunk_of(path: Path, offset: int = 0, length: int | None = None, **around: bytes) -> RangeChunk:
    info = path.stat()
    return RangeChunk(str(path), etag_of(info), offset, info.st_size if length is None else length, **around)


def test_a_chunk_is_called_by_its_bytes_wherever_they_lie(tmp_path: Path) -> None:
    data = os.urandom(2 * BORDER + 7)
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(data)
    two.write_bytes(b"xyz" + data[3:])
    expected = [hashlib.sha256(part).hexdigest() for part in (data, data[3:], b"head\n" + data[3:9] + b"]", b"")]
    around = {"prefix": b"head\n", "suffix": b"]"}
    assert named(chunk_of(one), chunk_of(two, 3, len(data) - 3)) == expected[:2]
    assert named(chunk_of(one, 3, 6, **around), chunk_of(two, 3, 6, **around)) == 2 * [expected[2]]
    assert named(chunk_of(one, 5, 0)) == [expected[3]]


def test_a_chunk_of_no_source_is_called_by_what_stands_in_it() -> None:
    nothing, text = RangeChunk("", "", 0, 0), RangeChunk("", "", 0, 0, b"head", b"tail")
    assert named(nothing, text) == [hashlib.sha256(data).hexdigest() for data in (b"", b"headtail")]


def test_a_file_that_was_changed_after_it_was_split_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text("before")
    before = chunk_of(path)
    path.write_text("after it")
    assert named(before, replace(before, location=str(tmp_path / "gone")), chunk_of(path))[:2] == ["", ""]
    path.write_text("cut")
    assert named(replace(before, etag=etag_of(path.stat()), length=99)) == [""]


def test_a_remote_range_is_called_by_its_place_its_tag_and_what_is_taken() -> None:
    chunk = RangeChunk("remote:x", '"tag"', 10, 20, b"<", b">", label="one")
    changes = [
        {"location": "remote:y"},
        {"etag": '"other"'},
        {"offset": 11},
        {"length": 21},
        {"prefix": b""},
        {"suffix": b""},
    ]
    names = named(chunk, *(replace(chunk, **change) for change in changes)) + named(chunk, place="there")
    assert len(set(names)) == len(changes) + 2
    assert named(replace(chunk, label="two")) == names[:1]


def test_nobody_reads_what_is_not_wanted(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("data")
    with pytest.raises(Unavailable):
        list(with_contents([chunk_of(tmp_path / "one")], str, lambda: True, FileBlobs(Effects())))
