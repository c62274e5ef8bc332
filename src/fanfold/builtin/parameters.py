"""Params as a block may rely on them: checked against its schema, defaults filled in.

The server has checked them with a full validator before; a program that is started by hand gets the same rules here,
in the few words of JSON Schema that built-in blocks use.
"""

from __future__ import annotations

from fanfold.builtin.planning import InputRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WORDS = {
    "integer": "a whole number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
}


class Params:
    """The params of one block; an optional one without a default reads as None, "" or an empty list."""

    def __init__(self, schema: Mapping[str, Any], given: Mapping[str, object]) -> None:
        properties = schema["properties"]
        unknown = sorted(set(given) - set(properties))
        if unknown:
            known = ", ".join(f'"{name}"' for name in properties) or "none"
            raise InputRefused(f'there is no param "{unknown[0]}"; known are: {known}')
        for name, rules in schema.get("dependentSchemas", {}).items():
            for other, rule in rules["properties"].items():
                if rule is False and name in given and other in given:
                    raise InputRefused(f'params "{name}" and "{other}" exclude each other: give one of them')
        for name in schema.get("required", ()):
            if name not in given:
                raise InputRefused(f'param "{name}" is missing: {properties[name]["description"]}')
        self._values = {name: rule["default"] for name, rule in properties.items() if "default" in rule}
        self._values |= {name: _checked(name, properties[name], value) for name, value in given.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def whole(self, name: str) -> int | None:
        """A whole number."""
        value = self._values.get(name)
        return value if isinstance(value, int) else None

    def text(self, name: str) -> str:
        """A text."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def flag(self, name: str) -> bool:
        """A yes or no."""
        return self._values.get(name) is True

    def items(self, name: str) -> list[object]:
        """A list of any JSON values."""
        value = self._values.get(name)
        return value if isinstance(value, list) else []


def _checked(name: str, rule: Mapping[str, Any], value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows one kind of number: 5.0 is a whole one
    if not _has_type(rule["type"], value):
        raise InputRefused(f'param "{name}" must be {WORDS[rule["type"]]}, found {value!r:.80}')
    if isinstance(value, int) and value < rule.get("minimum", value):
        raise InputRefused(f'param "{name}" must be at least {rule["minimum"]}, found {value}')
    if value not in rule.get("enum", [value]):
        raise InputRefused(f'param "{name}" must be one of {", ".join(rule["enum"])}, found {value!r:.80}')
    if isinstance(value, str) and not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value)):
        raise InputRefused(f'param "{name}" has the wrong length ({len(value)}): {rule["description"]}')
    return value


def _has_type(word: str, value: object) -> bool:
    if word == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if word == "string":
        return isinstance(value, str)
    if word == "boolean":
        return isinstance(value, bool)
    return isinstance(value, list)
