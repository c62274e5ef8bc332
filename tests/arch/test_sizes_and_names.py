"""Files and functions stay small, and names say something."""

import ast
import re

from tests.arch.source import Module, modules

FILE_LINES = 400
MIGRATIONS = "stores/migrations/versions/"
"""Made from the tables by a tool: a line a column, a function a table."""

FUNCTION_LINES = 60
SHORT_FUNCTION_LINES = 20
SHORT_SHARE = 0.8

# Schema names there are the public API's, not ours.
PUBLIC = "src/fanfold/wire/jobs.py"
BANNED = re.compile(r"utils?|helpers?|common|managers?|base2|misc", re.IGNORECASE)
WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def functions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def by_hand() -> list[Module]:
    return [module for module in modules() if not module.path.startswith(MIGRATIONS)]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, the docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def test_no_file_is_longer_than_one_thing_needs() -> None:
    long = {module.path: lines for module in by_hand() if (lines := module.text.count("\n")) > FILE_LINES}
    assert not long, f"over {FILE_LINES} lines, look for the second noun: {long}"


def test_no_function_is_too_long_to_read_at_once() -> None:
    long = [
        f"{module.at(function)} {function.name}: {length(function)} lines"
        for module in by_hand()
        for function in functions(module)
        if length(function) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_functions_are_mostly_short() -> None:
    lengths = [length(function) for module in modules() for function in functions(module)]
    short = sum(lines <= SHORT_FUNCTION_LINES for lines in lengths)
    assert short >= SHORT_SHARE * len(lengths), f"{short} of {len(lengths)} have at most {SHORT_FUNCTION_LINES} lines"


def test_no_file_or_class_has_a_name_that_fits_everything() -> None:
    names = [(module.path, word) for module in modules() for word in re.split(r"[/._]", module.path)]
    for module in modules():
        classes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
        names += [(module.at(node), word) for node in classes for word in WORD.findall(node.name)]
    found = [f"{where}: '{word}'" for where, word in names if BANNED.fullmatch(word) and where.split(":")[0] != PUBLIC]
    assert not found, "\n".join(found)
