"""The promise to a user's script: names of chunks and results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.jobs.contract import LABELS_FILE, chunk_index, chunk_name, chunks_problem, settled_name


@given(st.integers(0, 10**9))
def test_a_chunk_s_name_tells_its_index(index: int) -> None:
    assert chunk_index(chunk_name(index)) == index


@pytest.mark.parametrize(
    "name",
    [
        "data_01.bin",
        "data_-1.bin",
        "data_.bin",
        "data_1.BIN",
        "data_1.bin\n",
        "data_1.bin.gz",
        "data_٣.bin",
        "x/data_1.bin",
    ],
)
def test_a_name_that_only_looks_like_a_chunk_s_is_none(name: str) -> None:
    assert chunk_index(name) is None


@pytest.mark.parametrize(
    "names",
    [[], ["data_0.bin"], ["data_2.bin", "data_0.bin", "data_1.bin"], ["data_0.bin", LABELS_FILE], [LABELS_FILE]],
)
def test_chunks_without_gaps_and_their_labels_are_right_in_any_order(names: list[str]) -> None:
    assert chunks_problem(names) == ""


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["data_1.bin"], ["data_1.bin", "data_0.bin"]),
        (["data_0.bin", "data_2.bin", "data_9.bin"], ["data_2.bin", "data_1.bin"]),
        (["data_0.bin", "notes.txt"], ["notes.txt"]),
        (["data_0.bin", "more/data_1.bin"], ["more/data_1.bin"]),
        (["data_00.bin"], ["data_00.bin"]),
    ],
)
def test_a_gap_or_another_name_is_told_by_name(names: list[str], named: list[str]) -> None:
    problem = chunks_problem(names)
    assert all(f"'{name}'" in problem for name in named)


@given(st.sets(st.integers(0, 30)))
def test_chunks_are_right_exactly_when_their_numbers_count_from_nought(indexes: set[int]) -> None:
    counted = indexes == set(range(len(indexes)))
    assert (chunks_problem(chunk_name(index) for index in indexes) == "") is counted


@pytest.mark.parametrize(
    ("name", "settled"),
    [
        ("out.png", "out.7.png"),
        ("out", "out.7"),
        ("out.tar.gz", "out.tar.7.gz"),
        (".hidden", ".hidden.7"),
        ("a/b.c/out", "a/b.c/out.7"),
        ("a/b/out.txt", "a/b/out.7.txt"),
        ("trailing.", "trailing.7."),
    ],
)
def test_a_name_that_several_tasks_wrote_gets_the_chunk_index_before_its_suffix(name: str, settled: str) -> None:
    assert settled_name(name, 7) == settled
