"""split-csv: whole rows, wherever quotes and line breaks stand, each chunk with the header."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.builtin.planning import InputRefused
from tests.unit.builtin.running import bodies, partition, planned

pytestmark = pytest.mark.usefixtures("windows")

Row = list[str]
FIELD = st.text(alphabet='ab",\n\r ;é', max_size=6)
ROWS = st.lists(st.lists(FIELD, min_size=2, max_size=3), min_size=1, max_size=12)
MODE = st.one_of(
    st.builds(lambda amount: {"rows": amount}, st.integers(1, 5)),
    st.builds(lambda amount: {"max_bytes": amount}, st.integers(1, 90)),
    st.builds(lambda amount: {"num_chunks": amount}, st.integers(1, 5)),
)
STYLE = st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])


def written(rows: list[Row], style: int, line_end: str, *, last_line_end: bool = True) -> bytes:
    text = line_end.join(",".join(quoted(one, style) for one in row) for row in rows)
    return (text + line_end * last_line_end).encode()


def quoted(one: str, style: int) -> str:
    """By hand, since csv.writer leaves a lone carriage return unquoted."""
    if style == csv.QUOTE_ALL or set(one) & set(',"\r\n'):
        return '"' + one.replace('"', '""') + '"'
    return one


def read(data: bytes) -> list[Row]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


@given(rows=ROWS, mode=MODE, style=STYLE, line_end=st.sampled_from(["\n", "\r\n"]), closed=st.booleans())
def test_rows_of_all_chunks_are_those_of_the_file(
    rows: list[Row], mode: dict[str, int], style: int, line_end: str, closed: bool
) -> None:
    data = written(rows, style, line_end, last_line_end=closed)
    parts = [read(chunk) for chunk in bodies("split-csv", mode, data)]
    assert all(part[0] == rows[0] for part in parts)
    assert [rows[0], *(row for part in parts for row in part[1:])] == rows


@given(rows=ROWS, mode=MODE, style=STYLE)
def test_without_header_chunks_joined_are_the_file(rows: list[Row], mode: dict[str, int], style: int) -> None:
    data = written(rows, style, "\r\n")
    chunks = bodies("split-csv", {**mode, "header": False}, data)
    assert b"".join(chunks) == data
    assert [row for chunk in chunks for row in read(chunk)] == rows


@given(rows=ROWS, amount=st.integers(1, 5), style=STYLE)
def test_every_chunk_but_the_last_has_the_rows_asked_for(rows: list[Row], amount: int, style: int) -> None:
    chunks = bodies("split-csv", {"rows": amount}, written(rows, style, "\n"))
    counts = [len(read(chunk)) - 1 for chunk in chunks]
    assert counts[:-1] == [amount] * (len(counts) - 1)
    assert sum(counts) == len(rows) - 1


@given(rows=ROWS, most=st.integers(1, 120), style=STYLE)
def test_a_chunk_above_max_bytes_holds_one_row(rows: list[Row], most: int, style: int) -> None:
    chunks = bodies("split-csv", {"max_bytes": most}, written(rows, style, "\n"))
    assert all(len(chunk) <= most or len(read(chunk)) <= 2 for chunk in chunks)


@given(rows=ROWS, mode=MODE)
def test_a_quote_that_is_never_closed_is_always_refused(rows: list[Row], mode: dict[str, int]) -> None:
    data = written(rows, csv.QUOTE_ALL, "\n") + b'a,"b\n'
    with pytest.raises(InputRefused, match="not valid CSV"):
        planned("split-csv", mode, data)


def test_an_open_quote_names_file_and_line(tmp_path: Path) -> None:
    data = b'name,note\na,"two\nlines"\nb,"open\nc,d\n'
    ran = partition(tmp_path, "split-csv", {}, {"people.csv": data})
    assert ran.status == 2
    assert ran.stderr.startswith('"people.csv" is not valid CSV: line 4: a quote opens a field that is never closed')


@pytest.mark.parametrize("mode", [{"rows": 1}, {"max_bytes": 20}, {"num_chunks": 3}])
def test_a_stray_quote_is_named_where_it_stands(mode: dict[str, int]) -> None:
    data = b'part,size\na,1\npipe,5" wide\n' + b'b,"2"\n' * 50
    with pytest.raises(InputRefused, match="line 3: a quote inside a field that does not begin with one"):
        planned("split-csv", mode, data)


def test_text_behind_a_closing_quote_is_named() -> None:
    with pytest.raises(InputRefused, match="line 2: a quote is followed by more text"):
        planned("split-csv", {}, b'a\n"b" c"\n')


def test_a_byte_order_mark_before_a_quoted_header_is_no_fault() -> None:
    with pytest.raises(InputRefused, match="line 2: a quote opens"):
        planned("split-csv", {}, b'\xef\xbb\xbf"a"\n"b\n')


def test_labels_count_rows_behind_the_header(tmp_path: Path) -> None:
    ran = partition(tmp_path, "split-csv", {"rows": 2}, {"t.csv": b"h\n1\n2\n3", "u.csv": b"h\n4\n", "v.csv": b""})
    assert ran.chunks == [b"h\n1\n2\n", b"h\n3", b"h\n4\n"]
    assert ran.labels == ["t.csv rows 1-2", "t.csv row 3", "u.csv row 1"]


def test_a_header_alone_gives_one_chunk() -> None:
    assert bodies("split-csv", {"rows": 5}, b'"a\nb",c') == [b'"a\nb",c']
