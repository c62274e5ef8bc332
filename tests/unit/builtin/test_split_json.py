"""split-json: whole items of arrays and JSON Lines."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.builtin.planning import InputRefused
from tests.unit.builtin.running import bodies, partition, planned, planned_named

pytestmark = pytest.mark.usefixtures("windows")

SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet='a"\\[]{},:\n\u00e9\ud800', max_size=8),
)
KEY = st.text(alphabet='k"\\{[,:', max_size=3)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4), max_leaves=12
)
ITEMS = st.lists(VALUE | st.integers(-9, 99), max_size=15)
STYLE = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"separators": (" ,\r\n", "\t: ")}])
MODE = st.one_of(
    st.builds(lambda amount: {"items": amount}, st.integers(1, 6)),
    st.builds(lambda amount: {"max_bytes": amount}, st.integers(1, 90)),
    st.builds(lambda amount: {"num_chunks": amount}, st.integers(1, 6)),
)


@given(items=ITEMS, style=STYLE, mode=MODE)
def test_items_of_all_chunks_are_those_of_the_array(
    items: list[Any], style: dict[str, Any], mode: dict[str, int]
) -> None:
    chunks = bodies("split-json", mode, json.dumps(items, **style).encode())
    assert [item for chunk in chunks for item in json.loads(chunk)] == items
    assert len(chunks) <= mode.get("num_chunks", len(items))


@given(items=ITEMS, style=STYLE, amount=st.integers(1, 6))
def test_every_chunk_but_the_last_has_the_items_asked_for(items: list[Any], style: dict[str, Any], amount: int) -> None:
    counts = [
        len(json.loads(chunk)) for chunk in bodies("split-json", {"items": amount}, json.dumps(items, **style).encode())
    ]
    assert counts == [amount] * (len(items) // amount) + [len(items) % amount] * (len(items) % amount > 0)


@given(items=ITEMS, most=st.integers(1, 90))
def test_a_chunk_above_max_bytes_holds_one_item(items: list[Any], most: int) -> None:
    chunks = bodies("split-json", {"max_bytes": most}, json.dumps(items).encode())
    assert all(len(chunk) <= most or len(json.loads(chunk)) == 1 for chunk in chunks)


@given(items=ITEMS, around=st.dictionaries(KEY, VALUE, max_size=3), style=STYLE, mode=MODE)
def test_an_array_is_found_by_its_path(
    items: list[Any], around: dict[str, Any], style: dict[str, Any], mode: dict[str, int]
) -> None:
    data = json.dumps(
        {**around, "data": {**around, "rows": items, **{f"x{key}": 1 for key in around}}, "z": 1}, **style
    )
    chunks = bodies("split-json", {**mode, "path": "data.rows"}, data.encode())
    assert [item for chunk in chunks for item in json.loads(chunk)] == items


@given(items=st.lists(VALUE, max_size=12), mode=MODE)
def test_json_lines_stay_json_lines(items: list[Any], mode: dict[str, int]) -> None:
    data = "".join(json.dumps(item) + "\n" for item in items).encode()
    chunks = bodies("split-json", {**mode, "format": "lines"}, data)
    assert b"".join(chunks) == data
    assert [json.loads(line) for chunk in chunks for line in chunk.split(b"\n")[:-1]] == items


@given(items=ITEMS.filter(bool), cut=st.integers(1, 200))
def test_an_array_that_is_cut_off_is_always_refused(items: list[Any], cut: int) -> None:
    data = json.dumps(items).encode()
    with pytest.raises(InputRefused):
        planned("split-json", {"format": "array"}, data[: -min(cut, len(data) - 1)])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[1, 2", '"a", byte 5: expected "," or "]", found the end of the file'),
        (b"[1, 2,]", "\"a\", byte 6: expected a value, found ']'"),
        (b"[1,,2]", '"a", byte 3: expected a value'),
        (b"[1 2]", '"a", byte 3: expected "," or "]", found \'2\''),
        (b"[01]", "\"a\", byte 1: expected a value, found '01'"),
        (b"[NaN]", "\"a\", byte 1: expected a value, found 'NaN'"),
        (b'[{"a": [1}]', '"a", byte 9: "}" closes what another kind of bracket opened'),
        (b'[{"a": {"b": 1}]', '"a", byte 15: "]" closes what another kind of bracket opened'),
        (b'["open, 2]', '"a", byte 1: the string that begins here is not closed'),
        (b'["open\\", 2]', '"a", byte 1: the string that begins here is not closed'),
        (b'[[1, {"a": 2}', '"a", byte 1: the object or array that begins here is not closed'),
        (b"[1] [2]", '"a", byte 4: there is more behind the end of the value'),
        (b"[1]]", '"a", byte 3: there is more behind the end of the value'),
        (b"  ", '"a", byte 2: the outermost value is not an array'),
    ],
)
def test_broken_json_is_refused_with_file_and_byte(data: bytes, sentence: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        planned("split-json", {"format": "array"}, data)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nope", '"a", byte 22: the outermost value has no key "nope"; it has "rows", "n"'),
        ("rows.deep", '"a", byte 9: "rows" is not an object, so it has no key "deep"'),
        ("n", '"a", byte 19: "n" is not an array'),
    ],
)
def test_a_wrong_path_says_what_is_there(path: str, sentence: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        planned("split-json", {"path": path}, b'{"rows": [1], "n": 12}')
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "data", "chunks"),
    [
        ("a.json", b" [1, 2]", [b"[1]", b"[2]"]),
        ("a.json", b"\xef\xbb\xbf[1, 2]", [b"[1]", b"[2]"]),
        ("a.json", b"[]", []),
        ("a.json", b"[ \n]\n", []),
        ("a.json", b"", []),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', [b'{"a": 1}\n', b'{"a": 2}\n']),
        ("a.json", b"1\n2", [b"1\n", b"2"]),
        ("a.jsonl", b"[1, 2]\n[3]\n", [b"[1, 2]\n", b"[3]\n"]),
        ("a.NDJSON", b'{"a": 1}', [b'{"a": 1}']),
    ],
)
def test_the_format_is_told_from_name_and_first_value(name: str, data: bytes, chunks: list[bytes]) -> None:
    made = planned_named("split-json", {"items": 1}, {name: data})
    assert [chunk.prefix + data[chunk.offset :][: chunk.length] + chunk.suffix for chunk in made] == chunks


@pytest.mark.parametrize("data", [b'{"features": [1]}', b'{\n"features": [1]\n}', b'{\n"a": 1}\n{\n"a": 2}\n'])
def test_an_object_that_is_no_line_asks_for_the_path(data: bytes) -> None:
    with pytest.raises(InputRefused, match='name the array inside it with the param "path"'):
        planned("split-json", {}, data)


def test_path_and_lines_do_not_go_together() -> None:
    with pytest.raises(InputRefused, match='does not go with "format": "lines"'):
        planned("split-json", {"path": "a", "format": "lines"}, b"1")


def test_the_program_writes_arrays_with_labels(tmp_path: Path) -> None:
    ran = partition(tmp_path, "split-json", {"items": 2}, {"films.json": b'[{"a": "]"}, [1], "x"]'})
    assert ran.chunks == [b'[{"a": "]"}, [1]]', b'["x"]']
    assert ran.labels == ["films.json items 1-2", "films.json item 3"]


def test_the_program_refuses_an_end_that_is_missing(tmp_path: Path) -> None:
    ran = partition(tmp_path, "split-json", {"items": 1}, {"films.json": b"[1, 2, 3"})
    assert (ran.status, ran.stderr) == (
        2,
        '"films.json", byte 8: expected "," or "]", found the end of the file\n',
    )
