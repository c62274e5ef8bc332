"""The registry's blocks are what their modules say, and start quickly."""

import json
import subprocess
import sys

import jsonschema_rs
import pytest

from fanfold.builtin.planning import PlannedChunk
from fanfold.builtin.registry import BUILTIN, load, names

BLOCKS = [(role, name) for role, table in BUILTIN.items() for name in table]
SLOW_TO_IMPORT = {"typing", "dataclasses", "inspect", "argparse", "logging", "pathlib", "shutil", "subprocess"}


@pytest.mark.parametrize(("role", "name"), BLOCKS)
def test_a_manifest_says_what_the_registry_says(role: str, name: str) -> None:
    block = load(role, name)
    assert (block.name, block.type, block.version) == (name, role, "1.0")
    assert (block.manifest["name"], block.manifest["type"]) == (name, role)
    assert block.manifest["description"].endswith(".")
    assert block.path.endswith(".py")


@pytest.mark.parametrize(("role", "name"), BLOCKS)
def test_a_schema_is_valid_and_describes_every_param(role: str, name: str) -> None:
    schema = load(role, name).schema
    jsonschema_rs.meta.validate(dict(schema))
    assert schema["additionalProperties"] is False
    assert all(rule["description"] for rule in schema["properties"].values())
    defaults = {key: rule["default"] for key, rule in schema["properties"].items() if "default" in rule}
    required = {"num_replicas": 1, "items": []}
    jsonschema_rs.validate(dict(schema), defaults | {key: required[key] for key in schema.get("required", ())})


@pytest.mark.parametrize(
    ("name", "params", "valid"),
    [
        ("split-lines", {"lines": 1}, True),
        ("split-lines", {"lines": 1, "max_bytes": 1}, False),
        ("split-csv", {"rows": 1, "num_chunks": 1}, False),
        ("split-json", {"items": 1, "max_bytes": 1}, False),
        ("split-bytes", {"max_bytes": 0}, False),
        ("split-bytes", {"lines": 1}, False),
        ("replicate", {}, False),
    ],
)
def test_a_schema_allows_one_size_only(name: str, params: dict[str, int], valid: bool) -> None:
    assert jsonschema_rs.is_valid(dict(load("partitioner", name).schema), params) is valid


@pytest.mark.parametrize(
    ("output", "valid"), [("a.txt", True), ("..a", True), ("..", False), ("a/b", False), ("", False)]
)
def test_a_schema_allows_plain_output_names_only(output: str, valid: bool) -> None:
    assert jsonschema_rs.is_valid(dict(load("assembler", "concat").schema), {"output": output}) is valid


def test_splitters_plan_and_the_others_do_not() -> None:
    planning = {name for name in names("partitioner") if load("partitioner", name).plan}
    assert planning == {"passthrough", "replicate", "split-bytes", "split-csv", "split-json", "split-lines"}
    assert names("app") == ()


def test_a_planned_chunk_does_not_change() -> None:
    chunk = PlannedChunk(0, 1, 2)
    assert chunk == PlannedChunk(source=0, offset=1, length=2, prefix=b"", suffix=b"", label="")
    with pytest.raises(AttributeError):
        chunk.offset = 3  # type: ignore[misc]


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, name in BLOCKS if name not in {"zip", "tar"}])
def test_a_program_imports_nothing_that_is_slow_to_import(role: str, name: str) -> None:
    started = imported("-P", load(role, name).path)
    assert "fanfold.builtin.program" in started
    assert not (started - imported("-P", "-c", "")) & SLOW_TO_IMPORT


def imported(*arguments: str) -> set[str]:
    """What the interpreter imports, started with these arguments."""
    program = [sys.executable, "-X", "importtime", *arguments]
    ran = subprocess.run(program, env={}, capture_output=True, text=True, check=False)
    return {line.split("|")[-1].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}


def test_schemas_are_plain_json() -> None:
    for role, name in BLOCKS:
        block = load(role, name)
        assert json.loads(json.dumps([block.manifest, block.schema])) == [block.manifest, block.schema]
