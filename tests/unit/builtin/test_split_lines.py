"""split-lines: whole lines, all of them, in order."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.builtin.planning import InputRefused
from tests.unit.builtin.running import bodies, partition, planned

pytestmark = pytest.mark.usefixtures("windows")

LINE = st.binary(max_size=30).map(lambda data: data.replace(b"\0", b"x"))
TEXT = st.lists(LINE | st.sampled_from([b"", b"\r"]), max_size=30).map(b"\n".join)
MODE = st.one_of(
    st.builds(lambda amount: {"lines": amount}, st.integers(1, 9)),
    st.builds(lambda amount: {"max_bytes": amount}, st.integers(1, 90)),
    st.builds(lambda amount: {"num_chunks": amount}, st.integers(1, 9)),
)


@given(text=TEXT, mode=MODE)
def test_chunks_joined_are_the_file_and_no_line_is_split(text: bytes, mode: dict[str, int]) -> None:
    chunks = bodies("split-lines", mode, text)
    assert b"".join(chunks) == text
    assert all(chunk.endswith(b"\n") for chunk in chunks[:-1])
    assert all(chunks)


@given(text=TEXT, amount=st.integers(1, 9))
def test_every_chunk_but_the_last_has_the_lines_asked_for(text: bytes, amount: int) -> None:
    counts = [len(chunk.splitlines(keepends=True)) for chunk in bodies("split-lines", {"lines": amount}, _plain(text))]
    assert all(count == amount for count in counts[:-1])
    assert not counts or 1 <= counts[-1] <= amount


@given(text=TEXT, most=st.integers(1, 90))
def test_chunks_are_as_full_as_max_bytes_allows(text: bytes, most: int) -> None:
    chunks = bodies("split-lines", {"max_bytes": most}, text)
    assert all(len(chunk) <= most or chunk.count(b"\n", 0, -1) == 0 for chunk in chunks)
    assert all(len(left) + right.index(b"\n") + 1 > most for left, right in pairwise(chunks) if b"\n" in right)


@given(text=TEXT, mode=MODE, header=st.integers(0, 3))
def test_every_chunk_begins_with_the_header(text: bytes, mode: dict[str, int], header: int) -> None:
    head = b"".join(text.splitlines(keepends=True)[:header]) if b"\r" not in text else b""
    text = _plain(text)
    head = b"".join(line + b"\n" for line in text.split(b"\n")[:header])[: len(text)]
    chunks = bodies("split-lines", {**mode, "header": header}, text)
    assert all(chunk.startswith(head) for chunk in chunks)
    assert head * bool(chunks) + b"".join(chunk[len(head) :] for chunk in chunks) == text


@given(texts=st.lists(TEXT, min_size=1, max_size=4), count=st.integers(1, 12))
def test_files_are_never_joined_and_each_that_holds_anything_gives_a_chunk(texts: list[bytes], count: int) -> None:
    chunks = planned("split-lines", {"num_chunks": count}, *texts)
    assert {chunk.source for chunk in chunks} == {number for number, text in enumerate(texts) if text}
    assert [chunk.source for chunk in chunks] == sorted(chunk.source for chunk in chunks)
    assert len(chunks) <= max(count, sum(map(bool, texts)))


def _plain(text: bytes) -> bytes:
    """Without the line ends that only Python knows."""
    return text.translate(None, b"\r\x0b\x0c\x1c\x1d\x1e\x85")


def test_num_chunks_is_met_where_lines_are_even() -> None:
    chunks = bodies("split-lines", {"num_chunks": 16}, b"0123456789\n" * 1600)
    assert [len(chunk) for chunk in chunks] == [1100] * 16


def test_num_chunks_is_shared_out_by_size() -> None:
    chunks = planned("split-lines", {"num_chunks": 10}, b"x\n" * 700, b"x\n" * 200, b"", b"x\n" * 100)
    assert [sum(chunk.source == number for chunk in chunks) for number in range(4)] == [7, 2, 0, 1]


def test_byte_order_mark_carriage_returns_and_missing_line_end_stay(tmp_path: Path) -> None:
    text = "\ufeffäöü\r\nzwei\r\n\r\nvier".encode()
    ran = partition(tmp_path, "split-lines", {"lines": 2, "header": 1}, {"novel.txt": text})
    head = "\ufeffäöü\r\n".encode()
    assert ran.chunks == [head + b"zwei\r\n\r\n", head + b"vier"]
    assert ran.labels == ["novel.txt lines 1-2", "novel.txt line 3"]


def test_a_header_alone_gives_one_chunk() -> None:
    assert bodies("split-lines", {"header": 1}, b"head\n") == [b"head\n"]
    assert bodies("split-lines", {"header": 3}, b"one\ntwo") == [b"one\ntwo"]


def test_a_longer_line_than_max_bytes_is_a_chunk_of_its_own() -> None:
    assert bodies("split-lines", {"max_bytes": 4}, b"a\n" + b"b" * 50 + b"\nc\nd\n") == [
        b"a\n",
        b"b" * 50 + b"\n",
        b"c\nd\n",
    ]


def test_the_default_is_16_mib() -> None:
    text = b"x" * 1023 + b"\n"
    assert [chunk.length for chunk in planned("split-lines", {}, text * 16 * 1024 + b"y")] == [16 << 20, 1]


def test_binary_input_is_refused_with_the_way_out(tmp_path: Path) -> None:
    ran = partition(tmp_path, "split-lines", {}, {"a.txt": b"fine\n", "photo.jpg": b"\xff\xd8\0\n"})
    assert (ran.status, ran.stderr) == (
        2,
        '"photo.jpg" is binary or UTF-16 (a NUL byte at byte 2): use split-bytes, or convert it to UTF-8\n',
    )


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"lines": 2, "max_bytes": 3}, 'params "lines" and "max_bytes" exclude each other'),
        ({"lines": 0}, 'param "lines" must be at least 1, found 0'),
        ({"lines": "2"}, "param \"lines\" must be a whole number, found '2'"),
        ({"lines": True}, 'param "lines" must be a whole number, found True'),
        ({"rows": 2}, 'there is no param "rows"; known are: "lines", "max_bytes", "num_chunks", "header"'),
    ],
)
def test_wrong_params_are_refused_in_a_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputRefused, match=f"^{sentence}"):
        planned("split-lines", params, b"text")


def test_a_whole_number_may_be_written_as_a_float() -> None:
    assert bodies("split-lines", {"lines": 1.0}, b"a\nb\n") == [b"a\n", b"b\n"]
