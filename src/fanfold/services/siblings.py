"""The modules that lie beside a script and that it imports, found without running it.

Only what Python itself would find in the script's folder counts: `helper.py`, or a package `helper/` with everything
in it. Imports by a computed name are not seen; a block folder takes everything along.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def imported_beside(script: Path) -> set[Path]:
    """The files of all sibling modules and packages that `script` imports, directly or through each other."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for name in _imported(waiting.pop()):
            new = set(_files_of(script.parent, name)) - found - {script}
            found |= new
            waiting += new
    return found


def _imported(file: Path) -> set[str]:
    """The top-level names that a Python file imports; none where it is no Python file, or not a right one."""
    if file.suffix != ".py":
        return set()
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # the program will tell it better when it runs
        return set()
    return {name.partition(".")[0] for node in ast.walk(tree) for name in _names(node)}


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module


def _files_of(folder: Path, name: str) -> Iterator[Path]:
    package, module = folder / name, folder / f"{name}.py"
    if (package / "__init__.py").is_file():
        yield from (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    elif module.is_file():
        yield module
