"""Assembler `sum-json`: adds the numbers of all results, key by key."""

from __future__ import annotations

import json
import math
import os

from fanfold.builtin.copying import write_all
from fanfold.builtin.describing import manifest, output_file, schema
from fanfold.builtin.json_files import dumped, load
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import create, output_path, results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

SHOWN_VALUE = 80
MANIFEST = manifest("sum-json", "assembler", "Adds the numbers of JSON results key by key, through nested objects.")
SCHEMA = schema({"output": output_file("output.json")})


class Differs(ValueError):
    """Two values under one key that are neither two numbers nor equal."""


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = results()
    total: object = load(found[0]) if found else {}
    for result in found[1:]:
        value = load(result)
        try:
            total = added(total, value)
        except Differs as err:
            raise InputRefused(f"{result.title} does not add up with the ones before it: {err}") from err
    target = create(output_path(params, found, "output.json"))
    try:
        write_all(target, dumped(total))
    finally:
        os.close(target)


def added(left: object, right: object, key: str = "") -> object:
    """The sum of two values: of numbers, or of objects key by key (`left` is changed); equal others stay."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name, value in right.items():
            left[name] = added(left[name], value, f"{key}.{name}" if key else name) if name in left else value
        return left
    if _is_number(left) and _is_number(right):
        return _sum(left, right, key)
    if json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True):
        return left
    raise Differs(f"{_place(key)} is {_shown(right)} here and {_shown(left)} there")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sum(left: float, right: float, key: str) -> float:
    """Exact for whole numbers of any size; raises Differs for what is beyond the largest float otherwise."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    try:
        total = left + right
    except OverflowError as err:
        raise Differs(f"{_place(key)} becomes too large a number") from err
    if not math.isfinite(total):
        raise Differs(f"{_place(key)} becomes too large a number")
    return total


def _place(key: str) -> str:
    return f"the key {json.dumps(key, ensure_ascii=False)}" if key else "the outermost value"


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_VALUE else text[:SHOWN_VALUE] + "..."


if __name__ == "__main__":
    main()
