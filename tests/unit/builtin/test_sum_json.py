"""sum-json: numbers added key by key, exactly."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.builtin.sum_json import added
from tests.unit.builtin.running import Ran, assemble

TREE = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
).filter(lambda value: isinstance(value, dict))


def summed(tmp_path: Path, *contents: bytes) -> Ran:
    return assemble(tmp_path, "sum-json", {}, [(chunk, "t.json", data) for chunk, data in enumerate(contents)])


@given(tree=TREE, times=st.integers(2, 5))
def test_a_tree_added_to_itself_is_its_multiple(tree: dict[str, object], times: int) -> None:
    total: object = json.loads(json.dumps(tree))
    for _ in range(times - 1):
        total = added(total, json.loads(json.dumps(tree)))
    assert total == multiplied(tree, times)


def multiplied(value: object, times: int) -> object:
    if isinstance(value, dict):
        return {key: multiplied(inner, times) for key, inner in value.items()}
    assert isinstance(value, int)
    return value * times


@pytest.mark.parametrize(
    ("contents", "total"),
    [
        ([b'{"a": 1, "b": {"c": 2}}', b'{"b": {"c": 3, "d": 4}, "e": 5}'], {"a": 1, "b": {"c": 5, "d": 4}, "e": 5}),
        ([b"1", b"2.5"], 3.5),
        (
            [b'{"unit": "m", "ok": true, "l": [1], "n": null, "x": 1}'] * 2,
            {"unit": "m", "ok": True, "l": [1], "n": None, "x": 2},
        ),
        ([b"9" * 5000, b"1"], 10**5000),
        ([b"{}", b"{}"], {}),
        ([b'{"\\ud800": 1}', b'{"\\ud800": 1}'], {"\ud800": 2}),
        ([b'\xef\xbb\xbf{"\xc3\xa9": 1}'], {"é": 1}),
    ],
)
def test_numbers_add_up_and_equal_values_stay(tmp_path: Path, contents: list[bytes], total: object) -> None:
    ran = summed(tmp_path, *contents)
    assert ran.status == 0, ran.stderr
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert json.loads(ran.files["t.json"]) == total
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ([b'{"a": {"b": "x"}}', b'{"a": {"b": "y"}}'], 'the key "a.b" is "y" here and "x" there'),
        ([b'{"a": 1}', b'{"a": true}'], 'the key "a" is true here and 1 there'),
        ([b'{"a": [1]}', b'{"a": [true]}'], 'the key "a" is [true] here and [1] there'),
        ([b'{"a": 1}', b'{"a": {}}'], 'the key "a" is {} here and 1 there'),
        ([b"{}", b"[]"], "the outermost value is [] here and {} there"),
        ([b"1e308", b"1e308"], "the outermost value becomes too large a number"),
        ([b"0.5", b"1" * 400], "the outermost value becomes too large a number"),
    ],
)
def test_what_does_not_add_up_names_chunk_and_key(tmp_path: Path, contents: list[bytes], sentence: str) -> None:
    ran = summed(tmp_path, *contents)
    assert (ran.status, ran.stderr) == (
        2,
        f"t.json of chunk 1 (part 1) does not add up with the ones before it: {sentence}\n",
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"a": NaN}', "is not valid JSON: NaN is not a number in JSON"),
        (b"-Infinity", "is not valid JSON: -Infinity is not a number in JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', 'is not valid JSON: the key "a" stands twice in one object'),
        (b"", "is not valid JSON: Expecting value"),
        (b'{"a": "\xff"}', "is not valid JSON: byte 7 is not UTF-8"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_not_json_names_its_chunk(tmp_path: Path, content: bytes, sentence: str) -> None:
    ran = summed(tmp_path, b"{}", content)
    assert ran.status == 2
    assert ran.stderr.startswith(f"t.json of chunk 1 (part 1) {sentence}")


def test_a_number_beyond_json_is_refused(tmp_path: Path) -> None:
    assert summed(tmp_path, b"1e999").stderr == "a number is too large for JSON\n"
