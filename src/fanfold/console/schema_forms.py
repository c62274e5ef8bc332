"""Forms made from a JSON Schema, and back: what a person typed becomes the JSON that the API takes. What cannot be told
by a form is typed as JSON. Nothing is judged here: the schema itself says what is wrong, beside the field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanfold.errors import BadInput, Problem

DEEPEST = 5
MOST_FIELDS = 300
LONG = 120
MISSING = '"{}" is a required property'
"""What a schema says of an object that lacks a field."""

_SCALARS = ("string", "integer", "number", "boolean")

Texts = Callable[[str], str | None]
"""What was typed in a field of that name; None where the form had no such field."""


@dataclass(slots=True)
class Field:
    """One field. `kind`: choice, tick, whole, number, text, long, lines, json, group."""

    name: str
    label: str
    kind: str
    help: str = ""
    required: bool = False
    value: str = ""
    usual: str = ""
    choices: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    wrong: str = ""
    parts: list[Field] = field(default_factory=list)


def fields_of(
    schema: object, name: str, values: object, texts: Texts | None = None, problems: Sequence[Problem] = ()
) -> list[Field]:
    """The fields of an object of `schema`, filled with what was typed, or with `values`."""
    return _Form(schema, values, texts, problems).fields(name)


def values_of(schema: object, name: str, texts: Texts) -> dict[str, Any]:
    """What was typed, as JSON; empty fields are left out. BadInput for what is no JSON where JSON is asked for."""
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    for one in fields_of(schema, name, {}, texts):
        _put(found, one, name, texts, problems)
    if problems:
        raise BadInput("the form is not right", problems)
    return found


def _put(found: dict[str, Any], one: Field, prefix: str, texts: Texts, problems: list[Problem]) -> None:
    key = one.name.removeprefix(f"{prefix}.")
    if one.kind == "group":
        inner: dict[str, Any] = {}
        for part in one.parts:
            _put(inner, part, one.name, texts, problems)
        if inner or one.required:
            found[key] = inner
        return
    text = texts(one.name)
    if one.kind == "tick":
        found[key] = text is not None
    elif text is not None and text.strip() and one.name == prefix:
        found.update(_object(one.name, text, problems))
    elif text is not None and (text.strip() or (one.required and one.kind in ("text", "long"))):
        found[key] = _read(one, text, problems)


def _object(name: str, text: str, problems: list[Problem]) -> dict[str, Any]:
    value = _json(name, text, problems)
    if isinstance(value, dict):
        return value
    problems.append(Problem(name, "expected a JSON object"))
    return {}


def _json(name: str, text: str, problems: list[Problem]) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as err:
        problems.append(Problem(name, f"is not JSON: {str(err)[:200]}"))
        return None


def _read(one: Field, text: str, problems: list[Problem]) -> Any:
    """A text as the field means it; one that is no number stays a text, which the schema will refuse."""
    if one.kind == "json":
        return _json(one.name, text, problems)
    if one.kind == "lines":
        return [_scalar(line.strip(), one.usual) for line in text.splitlines() if line.strip()]
    if one.kind == "choice":
        return next((value for value in map(json.loads, one.choices) if _shown(value) == text), text)
    return _scalar(text, one.kind)


def _scalar(text: str, kind: str) -> Any:
    try:
        if kind in ("whole", "integer"):
            return int(text)
        if kind == "number":
            value = float(text)
            return int(value) if value.is_integer() and "." not in text and "e" not in text.lower() else value
    except (ValueError, OverflowError):
        return text
    return text.replace("\r\n", "\n")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _Form:
    def __init__(self, schema: object, values: object, texts: Texts | None, problems: Sequence[Problem]) -> None:
        self._root = schema if isinstance(schema, Mapping) else {}
        self._values = values
        self._texts = texts
        self._problems = problems
        self._count = 0

    def fields(self, name: str) -> list[Field]:
        found = self._of_object(self._root, name, self._values, 0)
        if not found:
            whole = Field(name, "Params", "json", help="A JSON object.", wrong=self._wrong(name, whole=True))
            whole.value = self._text(name, json.dumps(self._values, indent=1) if self._values else "")
            return [whole]
        return found

    def _of_object(self, schema: Mapping[str, Any], name: str, values: object, depth: int) -> list[Field]:
        properties = schema.get("properties")
        known = values if isinstance(values, Mapping) else {}
        required = schema.get("required")
        needed = required if isinstance(required, list) else []
        if not isinstance(properties, Mapping):
            return []
        return [
            self._field(self._resolved(part), f"{name}.{key}", key, known.get(key), key in needed, depth)
            for key, part in list(properties.items())[:MOST_FIELDS]
        ]

    def _resolved(self, schema: object) -> Mapping[str, Any]:
        for _ in range(DEEPEST):
            if not isinstance(schema, Mapping):
                return {}
            place = schema.get("$ref")
            if not isinstance(place, str) or not place.startswith("#/"):
                return schema
            target: Any = self._root
            for part in place[2:].split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
            schema = target
        return {}

    def _field(self, schema: Mapping[str, Any], name: str, key: str, value: object, needed: bool, depth: int) -> Field:
        self._count += 1
        kind = self._kind(schema, depth)
        made = Field(name, str(schema.get("title") or key)[:LONG], kind, str(schema.get("description") or ""), needed)
        made.wrong = self._wrong(name, whole=kind != "group")
        if kind == "group":
            made.parts = self._of_object(schema, name, value, depth + 1)
            return made
        usual = schema.get("default")
        if kind == "tick":
            on = bool(value if value is not None else usual)
            made.value = "on" if (self._texts(name) is not None if self._texts else on) else ""
            return made
        if kind == "choice":
            options = schema.get("enum", [True, False])
            made.choices = tuple(json.dumps(option) for option in options[:MOST_FIELDS])
        made.low, made.high = (_shown(schema[end]) if end in schema else "" for end in ("minimum", "maximum"))
        shown = value if value is not None else usual
        made.value = self._text(name, "" if shown is None else self._told(kind, shown))
        if kind == "lines":
            made.usual = str(self._resolved(schema.get("items")).get("type"))
        return made

    def _told(self, kind: str, value: object) -> str:
        if kind == "lines" and isinstance(value, list):
            return "\n".join(_shown(item) for item in value)
        return json.dumps(value, indent=1, ensure_ascii=False) if kind == "json" else _shown(value)

    def _kind(self, schema: Mapping[str, Any], depth: int) -> str:
        if isinstance(schema.get("enum"), list):
            return "choice"
        kind = schema.get("type")
        if kind == "boolean":
            return "tick" if "default" in schema else "choice"
        if kind == "object" and isinstance(schema.get("properties"), Mapping):
            return "group" if depth < DEEPEST and self._count < MOST_FIELDS else "json"
        if kind == "array":
            return "lines" if self._resolved(schema.get("items")).get("type") in _SCALARS[:3] else "json"
        if kind == "string":
            most = schema.get("maxLength", 0)
            return "long" if isinstance(most, int) and most > 1000 else "text"
        return {"integer": "whole", "number": "number"}.get(kind if isinstance(kind, str) else "", "json")

    def _text(self, name: str, otherwise: str) -> str:
        typed = self._texts(name) if self._texts else None
        return otherwise if typed is None else typed

    def _wrong(self, name: str, *, whole: bool) -> str:
        said = [
            problem.reason
            for problem in self._problems
            if problem.field == name or (whole and problem.field.startswith(f"{name}."))
        ]
        parent, _, key = name.rpartition(".")
        if any(problem.field == parent and problem.reason == MISSING.format(key) for problem in self._problems):
            said.append("is needed")
        return "; ".join(said)
