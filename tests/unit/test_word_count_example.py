"""The word count's promise: cut a text at any line ends, and the counts of its parts are those of the whole."""

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "word-count" / "app" / "main.py"
TRICKY = st.sampled_from(
    ["\ufeff", "\r", "\n", "\r\n", "'", "’", "-", "_", "1", "e\u0301", "\u0301", "ß", "İ", "Σ", " "]
)
TEXT = st.lists(st.one_of(TRICKY, st.text(max_size=4)), max_size=40).map("".join)


@pytest.fixture(scope="module")
def word_count() -> ModuleType:
    spec = importlib.util.spec_from_file_location("word_count_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(
    text=TEXT, lines=st.integers(1, 4), case=st.sampled_from(["lower", "upper", "keep"]), min_length=st.integers(1, 3)
)
def test_counts_of_parts_add_up_to_those_of_the_whole(
    word_count: ModuleType, text: str, lines: int, case: str, min_length: int
) -> None:
    parts = text.split("\n")
    chunks = ["\n".join(parts[start : start + lines]) for start in range(0, len(parts), lines)]
    total: Counter[str] = Counter()
    for chunk in chunks:
        total.update(word_count.count(chunk.splitlines(), case, min_length))
    assert total == word_count.count(text.splitlines(), case, min_length)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Well, well: well-known!", {"well": 3, "known": 1}),
        ("Don’t don't ‘quoted’ 'quoted'", {"don't": 2, "quoted": 2}),
        ("1812 snake_case naïve nai\u0308ve", {"snake": 1, "case": 1, "naïve": 2}),
        ("\ufeffWord\r\n", {"word": 1}),
    ],
)
def test_a_word_is_letters_joined_by_single_apostrophes(
    word_count: ModuleType, line: str, expected: dict[str, int]
) -> None:
    assert word_count.count([line]) == expected


def test_case_and_least_length_are_params(word_count: ModuleType) -> None:
    assert word_count.count(["An apple and AN"], "upper", 3) == {"AND": 1, "APPLE": 1}
    assert word_count.count(["An AN"], "keep") == {"AN": 1, "An": 1}


def test_bytes_that_are_no_text_are_no_words_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"good \xff\xfe\xe2\nmorning\n")
    environment = {**os.environ, "TASK_DIR": str(tmp_path), "TASK_RESULTS_DIR": str(tmp_path), "APP_PARAMS": "{}"}
    subprocess.run([sys.executable, SCRIPT], env=environment, check=True, capture_output=True)
    assert json.loads((tmp_path / "counts.json").read_bytes()) == {"good": 1, "morning": 1}
