"""Templates: what a person writes down as the defaults of jobs, read into values, and laid under a job's own. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fanfold.errors import BadInput, Problem
from fanfold.jobs.blocks import Template, merged, snake
from fanfold.jobs.models import JsonObject
from fanfold.jobs.tags import parse_tag

ID_PATTERN = r"[A-Za-z0-9_.@-]{1,128}"
MAX_DESCRIPTION = 10_000
DESCRIPTOR = "dataSourceDescriptor"
_PLACES = ("dataSource", "dataDestination")
_PLACE_KEYS = {"data_source_descriptor": DESCRIPTOR, "params": "params"}
_PARAM_KEYS = ("preset", "partitioner", "app", "assembler")
_CREDENTIALS = frozenset({"access_key", "secret_key", "password"})
_KEYS = frozenset(
    {"id", "description", "app", "partitioner", "assembler", "data_source", "data_destination", "params", "config"}
)


@dataclass(frozen=True, slots=True)
class ReadTemplate:
    """A template, and a sentence for each key of it that was ignored."""

    template: Template
    warnings: tuple[str, ...] = ()


def read_template(data: object, defaults: Mapping[str, str] | None = None) -> ReadTemplate:
    """Check a template in camelCase or snake_case; `defaults` stand in for what it leaves out.

    Raises BadInput that names every mistake: key, value, what was expected.
    """
    reader = _Reader()
    template = reader.template(data, defaults or {})
    if reader.problems:
        raise BadInput("the template is not right", reader.problems)
    return ReadTemplate(template, tuple(reader.warnings))


def is_template_id(text: str) -> bool:
    """Whether a text could be a template's id."""
    return re.fullmatch(ID_PATTERN, text) is not None


def applied(template: Template, own: JsonObject) -> dict[str, Any]:
    """A job request (camelCase) over a template's values, key by key.

    A source or destination of another kind than the template's replaces it whole: its params would mean nothing there.
    """
    defaults: dict[str, Any] = {"params": template.params, "config": template.config}
    defaults |= {"dataSource": template.data_source, "dataDestination": template.data_destination}
    wanted = _without_empty(own)
    for name in _PLACES:
        kind = wanted.get(name, {}).get(DESCRIPTOR)
        if kind is not None and kind != defaults[name].get(DESCRIPTOR):
            defaults[name] = {}
    return merged({key: value for key, value in defaults.items() if value}, wanted)


def _without_empty(own: JsonObject) -> dict[str, Any]:
    """The request without the empty texts that stand for "not given" in it."""
    wanted = dict(own)
    for name, key in (*((place, DESCRIPTOR) for place in _PLACES), ("params", "preset")):
        part = wanted.get(name)
        if isinstance(part, Mapping):
            wanted[name] = {inner: value for inner, value in part.items() if inner != key or value}
    return wanted


@dataclass
class _Reader:
    """Reads one template key by key; collects problems and warnings instead of stopping at the first."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def template(self, data: object, defaults: Mapping[str, str]) -> Template:
        given = self._object(data, "", _KEYS)
        known = {**defaults, **{key: value for key, value in given.items() if value not in (None, "")}}
        return Template(
            id=self._id(known.get("id")),
            app=self._tag(known, "app", ""),
            partitioner=self._tag(known, "partitioner", "passthrough"),
            assembler=self._tag(known, "assembler", "passthrough"),
            description=self._text(known, "description"),
            data_source=self._place(known.get("data_source"), "dataSource"),
            data_destination=self._place(known.get("data_destination"), "dataDestination"),
            params=self._params(known.get("params")),
            config=self._any_object(known.get("config"), "config"),
        )

    def _problem(self, key: str, found: object, expected: str) -> None:
        shown = "nothing" if found is None else repr(found)[:100]
        self.problems.append(Problem(key, f"expected {expected}, found {shown}"))

    def _any_object(self, data: object, key: str) -> dict[str, Any]:
        if isinstance(data, Mapping):
            return dict(data)
        if data is not None:
            self._problem(key, data, "a JSON object")
        return {}

    def _object(self, data: object, key: str, known: frozenset[str]) -> dict[str, Any]:
        """An object's values by their names in snake_case; what is not known is ignored with a warning."""
        named = {snake(str(name)): value for name, value in self._any_object(data, key).items()}
        for name in sorted(set(named) - known):
            shown = repr(name)[1:-1][:60]
            self.warnings.append(f"{f'{key}.{shown}' if key else shown} is not known and was ignored")
        return {name: value for name, value in named.items() if name in known}

    def _id(self, value: object) -> str:
        if isinstance(value, str) and is_template_id(value):
            return value
        self._problem("id", value, "1 to 128 letters, digits, '_', '.', '@' and '-'")
        return ""

    def _text(self, data: Mapping[str, Any], key: str) -> str:
        value = data.get(key, "")
        if isinstance(value, str) and len(value) <= MAX_DESCRIPTION:
            return value
        self._problem(key, value, f"a text, at most {MAX_DESCRIPTION} letters")
        return ""

    def _tag(self, data: Mapping[str, Any], key: str, usual: str) -> str:
        value = data.get(key, usual)
        try:
            parse_tag(value if isinstance(value, str) else "")
        except BadInput:
            self._problem(key, value or None, "the tag of a block, such as 'word-count@0.1'")
            return ""
        return str(value)

    def _place(self, data: object, key: str) -> dict[str, Any]:
        given = self._object(data, key, frozenset(_PLACE_KEYS))
        place = {_PLACE_KEYS[name]: value for name, value in given.items() if value is not None}
        if not isinstance(place.get(DESCRIPTOR, ""), str):
            self._problem(f"{key}.{DESCRIPTOR}", place[DESCRIPTOR], "a text")
        params = self._any_object(place.get("params"), f"{key}.params")
        for name in sorted(str(name) for name in params if snake(str(name)) in _CREDENTIALS and params[name]):
            said = "a template keeps no credentials; store them as a secret and name it with secret_id"
            self.problems.append(Problem(f"{key}.params.{name}", said))
        return place

    def _params(self, data: object) -> dict[str, Any]:
        params = self._object(data, "params", frozenset(_PARAM_KEYS))
        for name, value in params.items():
            if name == "preset" and not isinstance(value, str):
                self._problem("params.preset", value, "a text")
            elif name != "preset":
                self._any_object(value, f"params.{name}")
        return {name: value for name, value in params.items() if value is not None}
