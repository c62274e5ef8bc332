"""merge-json: all values of all results, in order."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.builtin.running import Ran, assemble, bodies

LONG = "x" * 3_000_000


def merged(tmp_path: Path, *contents: bytes, name: str = "t.json", **params: object) -> Ran:
    return assemble(tmp_path, "merge-json", params, [(chunk, name, data) for chunk, data in enumerate(contents)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.lists(st.integers() | st.text(max_size=4) | st.lists(st.none()) | st.dictionaries(st.text(), st.none())),
    amount=st.integers(1, 4),
    indent=st.sampled_from([None, 2]),
)
def test_split_and_merged_is_the_same_array(tmp_path: Path, items: list[Any], amount: int, indent: int | None) -> None:
    chunks = bodies("split-json", {"items": amount}, json.dumps(items, indent=indent).encode())
    name = "t.json" if chunks else "output.json"
    assert json.loads(merged(tmp_path, *chunks).files[name]) == items


@pytest.mark.parametrize(
    ("contents", "params", "value"),
    [
        ([b"[1, 2]", b"[]", b" [3]\n"], {}, [1, 2, 3]),
        ([b'{"a": [1]}', b"[2]", b"3", b'"x"', b"null", b""], {}, [{"a": [1]}, 2, 3, "x", None]),
        ([b'{"a": 1}\n{"a": 2}\n', b"[3]"], {"mode": "array"}, [{"a": 1}, {"a": 2}, 3]),
        ([f'["{LONG}", 1]'.encode(), b"[2]"], {}, [LONG, 1, 2]),
        ([b'{"a": 1, "c": 0}', b'{"b": 2, "c": 0}'], {"mode": "object"}, {"a": 1, "c": 0, "b": 2}),
    ],
)
def test_values_become_one_array_or_object(
    tmp_path: Path, contents: list[bytes], params: dict[str, str], value: object
) -> None:
    assert json.loads(merged(tmp_path, *contents, **params).files["t.json"]) == value


@pytest.mark.parametrize(
    ("name", "contents", "params"),
    [
        ("t.jsonl", [b'{"a": 1}', b'{\n "b": "\\n"\r\n}\n[2]\n'], {}),
        ("t.txt", [b'{"a": 1}\n', b'{\n "b": "\\n"\r\n}\n[2]\n'], {"mode": "lines"}),
    ],
)
def test_every_value_gets_its_own_line(
    tmp_path: Path, name: str, contents: list[bytes], params: dict[str, str]
) -> None:
    text = merged(tmp_path, *contents, name=name, **params).files[name]
    assert [json.loads(line) for line in text.splitlines()] == [{"a": 1}, {"b": "\n"}, [2]]


def test_several_values_in_the_first_result_mean_json_lines(tmp_path: Path) -> None:
    assert merged(tmp_path, b"1\n2\n", b"3").files == {"t.json": b"1\n2\n3\n"}


@pytest.mark.parametrize(
    ("contents", "params", "sentence"),
    [
        ([b"[1]", b"[2"], {}, '"t.json of chunk 1 (part 1)", byte 2: expected "," or "]", found the end of the file'),
        ([b"1, 2"], {}, "\"t.json of chunk 0 (part 0)\", byte 1: expected a value, found ','"),
        ([b"{}", b"[]"], {"mode": "object"}, "t.json of chunk 1 (part 1) is not a JSON object"),
        (
            [b'{"a": 1}', b'{"a": 2}'],
            {"mode": "object"},
            't.json of chunk 1 (part 1) has another value for the key "a" than t.json of chunk 0 (part 0)',
        ),
    ],
)
def test_what_cannot_be_merged_is_named(
    tmp_path: Path, contents: list[bytes], params: dict[str, str], sentence: str
) -> None:
    ran = merged(tmp_path, *contents, **params)
    assert ran.status == 2
    assert ran.stderr.startswith(sentence)
