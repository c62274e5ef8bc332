"""merge-csv: one header, every row, whatever the quoting."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.builtin.running import Ran, assemble, bodies


def merged(tmp_path: Path, *contents: bytes, **params: object) -> Ran:
    return assemble(tmp_path, "merge-csv", params, [(chunk, "t.csv", data) for chunk, data in enumerate(contents)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(st.text(alphabet='a",\n;', max_size=5), min_size=2, max_size=2), min_size=1, max_size=9),
    amount=st.integers(1, 4),
)
def test_split_and_merged_is_the_same_file(tmp_path: Path, rows: list[list[str]], amount: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    data = text.getvalue().encode()
    assert merged(tmp_path, *bodies("split-csv", {"rows": amount}, data)).files == {"t.csv": data}


@pytest.mark.parametrize(
    ("contents", "together"),
    [
        ([b"a,b\n1,2\n", b"a,b\n3,4\n"], b"a,b\n1,2\n3,4\n"),
        ([b"a,b\r\n1,2", b"a,b\n3,4"], b"a,b\r\n1,2\r\n3,4"),
        ([b"", b"a\n1\n", b"", b"a\n", b"a\n2\n"], b"a\n1\n2\n"),
        ([b"a", b"a", b"a\n1"], b"a\n1"),
        ([b"\xef\xbb\xbfa\n1\n", b"\xef\xbb\xbfa\n2\n", b"a\n3\n"], b"\xef\xbb\xbfa\n1\n2\n3\n"),
        ([b'"a\nb",c\n1,2\n', b'"a\nb","c"\n"x\ny",4\n'], b'"a\nb",c\n1,2\n"x\ny",4\n'),
    ],
)
def test_one_header_and_all_rows(tmp_path: Path, contents: list[bytes], together: bytes) -> None:
    assert merged(tmp_path, *contents).files == {"t.csv": together}


def test_without_header_rows_are_put_together(tmp_path: Path) -> None:
    assert merged(tmp_path, b"1,2", b"1,2\n", header=False).files == {"t.csv": b"1,2\n1,2\n"}


def test_another_header_is_refused_with_its_chunk(tmp_path: Path) -> None:
    ran = merged(tmp_path, b"a,b\n1,2\n", b"a,c\n3,4\n")
    assert ran.status == 2
    assert ran.stderr.startswith("the header of t.csv of chunk 1 (part 1) is not that of t.csv of chunk 0 (part 0)")
    assert ran.stderr.endswith(': found "a,c", expected "a,b"\n')


def test_an_open_quote_is_refused_before_it_eats_the_next_result(tmp_path: Path) -> None:
    ran = merged(tmp_path, b'a\n"1\n', b'a\n2"\n')
    assert ran.status == 2
    assert ran.stderr.startswith('"t.csv of chunk 0 (part 0)" is not valid CSV: line 2: a quote opens a field')
