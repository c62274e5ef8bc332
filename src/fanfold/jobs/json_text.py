"""JSON from outside, read strictly: what no program behind this door is made for is refused here, in words.

Refused are NaN and infinity, duplicate keys, NUL characters, half surrogate pairs, and nesting without end. Pure.
"""

from __future__ import annotations

import json
import math
from typing import Any

from fanfold.errors import BadInput

MAX_DEPTH = 100


def read_json(data: bytes, what: str) -> Any:
    """Any JSON value, `{}` for nothing; raises BadInput that names `what` ("the request") where it is not safe JSON."""
    if not data.strip():
        return {}
    try:
        value = json.loads(data, parse_constant=_refuse_constant, object_pairs_hook=_no_duplicates)
    except RecursionError as err:
        raise BadInput(f"{what} is JSON nested deeper than {MAX_DEPTH}") from err
    except ValueError as err:
        raise BadInput(f"{what} is not JSON: {str(err)[:200]}") from err
    _check(value, what, 0)
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:100]!r} stands twice in one object")
            seen.add(key)
    return found


def _check(value: Any, what: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadInput(f"{what} is JSON nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        _check_text(value, what)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{what} has a number that is too large")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, what)
            _check(item, what, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, what, depth + 1)


def _check_text(text: str, what: str) -> None:
    halved = not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
    if halved or "\0" in text:
        raise BadInput(f"{what} has a NUL character or half a surrogate pair in a text")
