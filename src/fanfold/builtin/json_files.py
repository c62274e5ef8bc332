"""Reading a whole JSON result strictly: as RFC 8259 says, keys only once, numbers as large as they are."""

from __future__ import annotations

import json
import sys

from fanfold.builtin.planning import InputRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from fanfold.builtin.results import Result

sys.set_int_max_str_digits(0)  # whole numbers of any length are exact here


def load(result: Result) -> object:
    """The value of a JSON file; raises InputRefused, which names the chunk."""
    with open(result.path, "rb") as file:
        text = file.read()
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError as err:
        raise InputRefused(f"{result.title} is nested too deeply") from err
    except UnicodeDecodeError as err:
        raise InputRefused(f"{result.title} is not valid JSON: byte {err.start} is not UTF-8") from err
    except ValueError as err:
        raise InputRefused(f"{result.title} is not valid JSON: {err}") from err


def dumped(value: object) -> bytes:
    """The value as one line of JSON; raises InputRefused for numbers that JSON cannot hold."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as err:
        raise InputRefused("a number is too large for JSON") from err
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can hold
        return json.dumps(value, allow_nan=False).encode() + b"\n"


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number in JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"the key {json.dumps(twice)} stands twice in one object")
    return members
