"""What built-in programs share: environment, params, chunk files, exit status.

Exit status 0 is done, 2 is a refusal told in one sentence on stderr, 1 (with a traceback) is a defect.
"""

from __future__ import annotations

import json
import os
import sys

from fanfold.builtin.copying import copy_range, write_all
from fanfold.builtin.parameters import Params
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.sources import sources_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from fanfold.builtin.planning import Plan

REFUSED = 2
EXTRAS = {"PIL": "images", "pyarrow": "parquet"}


def run(work: Callable[[], None]) -> None:
    """Runs a block; a refusal becomes its sentence on stderr and exit status 2, a missing optional library too."""
    try:
        work()
    except InputRefused as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(REFUSED)
    except ModuleNotFoundError as missing:
        extra = EXTRAS.get(missing.name or "")
        if extra is None:
            raise
        print(f"the library '{missing.name}' is missing: pip install 'fanfold[{extra}]'", file=sys.stderr)
        sys.exit(REFUSED)


def folder(variable: str) -> str:
    """The folder that an environment variable names."""
    path = os.environ.get(variable)
    if not path:
        raise InputRefused(f"{variable} is not set: this program is started by Fanfold with its folders")
    return path


def given_params(variable: str) -> dict[str, object]:
    """The params as they were given: from the environment, or from the params file where they are too long for it."""
    text = os.environ.get(variable)
    path = os.environ.get("FANFOLD_PARAMS_FILE")
    if text is None and path:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    try:
        given = json.loads(text or "{}")
    except ValueError as err:
        raise InputRefused(f"{variable} is not valid JSON: {err}") from err
    if not isinstance(given, dict):
        raise InputRefused(f"{variable} must be a JSON object, found {text!r:.80}")
    return given


def partitioner_params(schema: Mapping[str, Any]) -> Params:
    """The checked params of the partitioner that runs."""
    return Params(schema, given_params("PARTITIONER_PARAMS"))


def assembler_params(schema: Mapping[str, Any]) -> Params:
    """The checked params of the assembler that runs."""
    return Params(schema, given_params("ASSEMBLER_PARAMS"))


def partition(plan: Plan) -> None:
    """Runs a splitter as a program: its plan over SOURCE_DIR, written out as chunk files."""
    run(lambda: _write_plan(plan))


def _write_plan(plan: Plan) -> None:
    sources = sources_in(folder("SOURCE_DIR"))
    with ChunkFolder(folder("CHUNKS_DIR")) as chunks:
        for chunk in plan(sources, given_params("PARTITIONER_PARAMS")):
            target = chunks.create(chunk.label)
            try:
                write_all(target, chunk.prefix)
                copy_range(sources[chunk.source].path, chunk.offset, chunk.length, target)
                write_all(target, chunk.suffix)
            finally:
                os.close(target)


class ChunkFolder:
    """CHUNKS_DIR while it is filled: `data_0.bin`, `data_1.bin`, ... and, written along, `labels.json`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.count = 0
        self._labels = open(os.path.join(path, "labels.json"), "x", encoding="utf-8")  # noqa: SIM115 - see __exit__

    def __enter__(self) -> Self:
        self._labels.write("[")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._labels.write("]\n")
        self._labels.close()

    def create(self, label: str) -> int:
        """A descriptor of the next chunk's file, open for writing; the caller closes it."""
        path = os.path.join(self._path, f"data_{self.count}.bin")
        self.add(label)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def add(self, label: str) -> None:
        """Counts the next chunk, whose file another program writes."""
        self._labels.write((",\n" if self.count else "") + json.dumps(label))
        self.count += 1
