"""Which modules a program will import: read from its text, which is never run or parsed here.

Only modules of the standard library are named, and what the manifest asks for: importing them has no effect that a
program could tell from importing them itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILES = 200
MAX_FILE_BYTES = 1 << 20
ALWAYS = ("importlib.machinery", "pkgutil", "runpy", "atexit")
NEVER = frozenset({"antigravity", "this", "test", "idlelib", "turtledemo", "__main__", "site", "sitecustomize"})
"""Modules of the standard library that do something when they are imported, or have no business here."""

_FROM = re.compile(r"^[ \t]*from[ \t]+([A-Za-z_][\w.]*)[ \t]+import\b", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^#\n;]+)", re.MULTILINE)


def modules_before(entry: str, preload: tuple[str, ...]) -> list[str] | None:
    """The modules to import before `entry` runs; None where a file beside it hides one of them from the program."""
    folder = Path(entry).parent
    found = dict.fromkeys([*ALWAYS, *preload])
    for path in _sources(folder):
        for name in _named(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names and top not in NEVER:
                found[name] = None
    own = {name.partition(".")[0] for name in os.listdir(folder)}
    return None if own & {name.partition(".")[0] for name in found} else list(found)


def _sources(folder: Path) -> Iterator[Path]:
    count = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name.isidentifier()]
        for name in names:
            path = Path(parent, name)
            if name.endswith(".py") and path.stat().st_size <= MAX_FILE_BYTES:
                yield path
                count += 1
            if count == MAX_FILES:
                return


def _named(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    yield from _FROM.findall(text)
    for names in _IMPORT.findall(text):
        for name in names.split(","):
            word = name.split()[0] if name.split() else ""
            if re.fullmatch(r"[A-Za-z_][\w.]*", word):
                yield word
