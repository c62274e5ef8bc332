"""The params of a data source or destination, checked: known names only, each a text, all problems at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fanfold.errors import BadInput, Problem
from fanfold.jobs.models import DataRef

TYPE = "@type"
_PREFIX = "type.googleapis.com/bytenite.data_source."
MAX_TEXT = 8192


def texts(ref: DataRef, place: str, names: Collection[str], type_: str = "") -> dict[str, str]:
    """The params that have a value, by name. `place` is where they stand, such as "dataSource"."""
    problems: list[Problem] = []
    found: dict[str, str] = {}
    for name, value in ref.params.items():
        field = f"{place}.params.{name}"
        if name == TYPE:
            problems += _type_problems(field, value, type_)
        elif name not in names:
            problems.append(Problem(field, f"is unknown; '{ref.descriptor}' knows {_listed(names)}"))
        elif not isinstance(value, str | None) or len(value or "") > MAX_TEXT:
            problems.append(Problem(field, f"expected a text of at most {MAX_TEXT} characters"))
        elif value:
            found[name] = value
    if problems:
        raise BadInput(f"the {'source' if place == 'dataSource' else 'destination'} cannot be used", problems)
    return found


def _type_problems(field: str, value: Any, type_: str) -> list[Problem]:
    if not type_ or value in ("", None, _PREFIX + type_):
        return []
    return [Problem(field, f"expected '{_PREFIX}{type_}', found {value!r:.100}")]


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
