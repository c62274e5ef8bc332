"""A group of commands that are built when they are asked for: Typer loads pydantic for the first option it builds, and
each command brings its own imports."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import typer.core
import typer.main


class _Commands(MutableMapping[str, Any]):
    """Name -> command, in the order of `places` ("module:attribute" of a Typer app each)."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            module, _, attribute = self._places[name].partition(":")
            self._built[name] = typer.main.get_command(getattr(importlib.import_module(module), attribute))
            self._built[name].name = name
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._places.setdefault(name, "")
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._places[name]
        self._built.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def lazy_group(places: Mapping[str, str]) -> type[typer.core.TyperGroup]:
    """The class of a group whose commands lie at `places`."""

    class LazyGroup(typer.core.TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings | {"commands": _Commands(places)})

    return LazyGroup
