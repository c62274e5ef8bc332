"""What an assembler finds: the result files of all tasks in the order of their chunks, and the name of its output."""

from __future__ import annotations

import json
import os
import re

from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import folder
from fanfold.builtin.sources import FileSource, files_below, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanfold.builtin.parameters import Params

CHUNK_IN_NAME = re.compile(r"^(?P<stem>.+)\.[0-9]+(?P<suffix>\.[^./]+)?$", re.DOTALL)
NUMBER = re.compile("([0-9]+)")


class Result:
    """One result file: `below` is its place in the results folder, `name` what its task called it."""

    __slots__ = ("below", "chunk", "label", "name", "path")

    def __init__(self, path: str, below: str, name: str, chunk: int | None = None, label: str = "") -> None:
        self.path = path
        self.below = below
        self.name = name
        self.chunk = chunk
        self.label = label

    @property
    def title(self) -> str:
        """What a message calls it."""
        if self.chunk is None:
            return shown(self.below)
        label = f" ({shown(self.label)})" if self.label else ""
        return f"{shown(self.name)} of chunk {self.chunk}{label}"

    def source(self) -> FileSource:
        """The file for reading piece by piece, named by its title."""
        return FileSource(self.title, self.path)


def results() -> list[Result]:
    """All result files, by chunk and name; without an index by name, numbers in names counting as numbers."""
    where = folder("TASK_RESULTS_DIR" if os.environ.get("TASK_RESULTS_DIR") else "RESULTS_DIR")
    index = os.environ.get("FANFOLD_RESULTS_INDEX")
    if not index:
        return [Result(os.path.join(where, below), below, below) for below in sorted(files_below(where), key=_natural)]
    with open(index, encoding="utf-8") as file:
        listed = json.load(file)["files"]
    return [
        Result(os.path.join(where, one["path"]), one["path"], one["name"], one["chunk"], one.get("label", ""))
        for one in listed
    ]


def output_path(params: Params, found: Sequence[Result], otherwise: str) -> str:
    """The path of the one output file: the param `output`, or the name all results share, or `otherwise`."""
    name = params.text("output") or _shared_name(found) or otherwise
    if "output" in params and ("/" in name or "\0" in name or name in {".", ".."}):
        raise InputRefused(f'param "output" must be a plain file name, found "{shown(name)}"')
    path = os.path.join(folder("OUTPUT_DIR"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def create(path: str) -> int:
    """A descriptor of a new or emptied output file; the caller closes it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)


def _shared_name(found: Sequence[Result]) -> str:
    names = {result.name for result in found}
    if len(names) > 1:
        names = {_without_chunk(result) for result in found}
    return names.pop() if len(names) == 1 else ""


def _without_chunk(result: Result) -> str:
    """`out.txt` for `out.7.txt`, as long as no index says what the task called it."""
    made = CHUNK_IN_NAME.match(result.name) if result.chunk is None else None
    return f"{made['stem']}{made['suffix'] or ''}" if made else result.name


def _natural(name: str) -> list[str | int]:
    return [int(part) if place % 2 else part for place, part in enumerate(NUMBER.split(name))]
