"""The reference page of a block has one table of its params, and that is what its schema says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fanfold.builtin.registry import BUILTIN, load

PAGES = Path(__file__).resolve().parents[3] / "docs" / "reference" / "blocks"
BLOCKS = [(role, name) for role, table in BUILTIN.items() for name in table]
WORDS = {"integer": "whole number", "string": "text", "boolean": "true or false", "array": "list"}


def kind(rule: Mapping[str, Any]) -> str:
    if "enum" in rule:
        return ", ".join(f"`{option}`" for option in rule["enum"])
    least = f", at least {rule['minimum']}" if rule.get("minimum") else ""
    return WORDS[rule["type"]] + least


def default(name: str, rule: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if name in schema.get("required", ()):
        return "required"
    if "default" not in rule:
        return ""
    value = rule["default"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`" if value != "" else "empty"


def table(schema: Mapping[str, Any]) -> list[str]:
    """The rows of the table of params."""
    return [
        f"| `{name}` | {kind(rule)} | {default(name, rule, schema)} | {rule['description']} |"
        for name, rule in schema["properties"].items()
    ]


@pytest.mark.parametrize(("role", "name"), BLOCKS)
def test_the_table_of_params_is_the_schema(role: str, name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()
    section = page[page.index(f"# `{name}`" if f"# `{name}`" in page else f"## {role}") :]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == table(load(role, name).schema)


def test_the_index_lists_every_block_with_its_description() -> None:
    index = (PAGES / "index.md").read_text()
    for role, name in BLOCKS:
        assert f"| [`{name}`]({name}.md) | {load(role, name).manifest['description']} |" in index
    assert {path.stem for path in PAGES.glob("*.md")} == {"index", *(name for _, name in BLOCKS)}
