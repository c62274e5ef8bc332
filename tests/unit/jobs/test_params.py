"""Params against a block's JSON Schema."""

import time
from typing import Any

import pytest

from fanfold.errors import BadManifest
from fanfold.jobs.params import MAX_SCHEMA_BYTES, check_schema, params_problems, with_defaults
from tests.pace import promised

SCHEMA = {
    "type": "object",
    "properties": {
        "lines": {"type": "integer", "minimum": 1, "default": 100},
        "columns": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "required": ["lines"],
    "additionalProperties": False,
}


def test_right_params_have_no_problems() -> None:
    assert params_problems(SCHEMA, {"lines": 5, "columns": [{"name": "a"}]}, "params.app") == []


def test_every_problem_is_named_by_its_path() -> None:
    found = params_problems(SCHEMA, {"lines": 0, "columns": [{"name": "a"}, {"name": 5}], "line": 1}, "params.app")
    assert {problem.field for problem in found} == {"params.app.lines", "params.app.columns.1.name", "params.app"}
    assert any("'line'" in problem.reason for problem in found)


def test_a_missing_param_is_named() -> None:
    (problem,) = params_problems(SCHEMA, {}, "params.app")
    assert (problem.field, "lines" in problem.reason) == ("params.app", True)


def test_defaults_fill_in_what_was_not_given() -> None:
    assert with_defaults(SCHEMA, {}) == {"lines": 100}
    assert with_defaults(SCHEMA, {"lines": 5, "more": 1}) == {"lines": 5, "more": 1}
    assert with_defaults({"properties": {"a": True}}, {}) == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "https://example.com/schema.json#/a"},
        {"$ref": "file:///etc/hostname"},
        {"properties": {"a": {"$ref": "other.json"}}},
        {"$schema": "http://127.0.0.1:9/meta.json"},
        {"$id": "http://127.0.0.1:9/", "$ref": "inner.json"},
    ],
)
def test_a_schema_that_points_outside_itself_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadManifest, match="not a JSON Schema"):
        check_schema(schema)


@pytest.mark.parametrize("schema", [None, [], 5, "object", {"type": "objekt"}, {"properties": 5}, {"pattern": "("}])
def test_what_is_no_schema_is_refused(schema: object) -> None:
    with pytest.raises(BadManifest):
        check_schema(schema)


def test_a_schema_larger_than_its_limit_is_refused() -> None:
    with pytest.raises(BadManifest, match="too large"):
        check_schema({"description": "x" * MAX_SCHEMA_BYTES})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"type": "object"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_refers_to_itself_for_ever_comes_to_an_end(schema: dict[str, Any]) -> None:
    check_schema(schema)
    params_problems(schema, {"a": 1}, "params.app")


def test_a_recursive_schema_is_followed_as_deep_as_the_params_are() -> None:
    schema = {"$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}, "type": "object"}}}
    schema |= {"$ref": "#/$defs/tree"}
    (problem,) = params_problems(schema, {"left": {"left": 3}}, "params.app")
    assert problem.field == "params.app.left.left"


@pytest.mark.parametrize(
    "where", [{"properties": {"a": {"pattern": "^(a+)+$"}}}, {"patternProperties": {"^(a+)+$": {}}}]
)
def test_a_pattern_that_would_think_for_ever_is_cut_short(where: dict[str, Any]) -> None:
    text = "a" * 64 + "b"
    began = time.monotonic()
    found = params_problems(
        {**where, "additionalProperties": "patternProperties" not in where}, {"a": text, text: 1}, "p"
    )
    assert time.monotonic() - began < promised(2.0)
    assert found
