"""Names of chunks, from whoever writes them."""

import json

import pytest

from fanfold.errors import BadInput
from fanfold.jobs.labels import MAX_LABEL, read_labels, speakable
from fanfold.jobs.models import JobConfig


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a JSON list"),
        (b"not json", "not a JSON list"),
        (b"\xff\xfe", "not a JSON list"),
        (b"[" * 200_000, "not a JSON list"),
        (b'{"0": "a"}', "not a JSON list"),
        (b'["a", 1]', "not a JSON list"),
        (b'["a", ["b"]]', "not a JSON list"),
        (b"[]", "0 names for 2 chunks"),
        (b'["a"]', "1 names for 2 chunks"),
        (b'["a", "b", "c"]', "3 names for 2 chunks"),
        (b" " * (64 * 1024 * 1024 + 1), "more than 67108864 bytes"),
    ],
)
def test_what_is_no_list_of_names_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_labels(data, 2)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("films.csv rows 1-100", "films.csv rows 1-100"),
        ("Größe 東京 👩\u200d🔬", "Größe 東京 👩\u200d🔬"),
        ("<script>[bold]", "<script>[bold]"),
        ("a\x1b[31mb\x9bc\x00\n", "a?[31mb?c??"),
        ("a\u202egpj.exe\u2028", "a?gpj.exe?"),
        ("half \ud800", "half ?"),
        ("x" * 10**6, "x" * MAX_LABEL),
    ],
)
def test_a_name_has_nothing_that_a_terminal_obeys_or_a_store_refuses(label: str, shown: str) -> None:
    assert read_labels(json.dumps([label]).encode(), 1) == [shown] == [speakable(label)]


@pytest.mark.parametrize(
    ("percent", "tasks", "allowed"), [(5, 1000, 50), (2, 1000, 20), (0.57, 10_000, 57), (1.14, 5000, 57), (0.1, 999, 0)]
)
def test_a_share_of_failures_is_counted_exactly(percent: float, tasks: int, allowed: int) -> None:
    assert JobConfig(max_failed_tasks_percent=percent).failures_allowed(tasks) == allowed
