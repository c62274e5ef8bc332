"""The promise to a user's script: environment names, folders, chunk names, exit status.

Programs written against this page outlive every release, so nothing here changes its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fanfold.jobs.models import Role

SOURCE_DIR = "SOURCE_DIR"
CHUNKS_DIR = "CHUNKS_DIR"
TASK_DIR = "TASK_DIR"
TASK_RESULTS_DIR = "TASK_RESULTS_DIR"
RESULTS_DIR = "RESULTS_DIR"
OUTPUT_DIR = "OUTPUT_DIR"
SHARED_CACHE_DIR = "SHARED_CACHE_DIR"
USER_CACHE_DIR = "USER_CACHE_DIR"

JOB_ID = "FANFOLD_JOB_ID"
TASK_ID = "FANFOLD_TASK_ID"
CHUNK_INDEX = "FANFOLD_CHUNK_INDEX"
NUM_CHUNKS = "FANFOLD_NUM_CHUNKS"
ATTEMPT = "FANFOLD_ATTEMPT"
PARAMS_FILE = "FANFOLD_PARAMS_FILE"
RESULTS_INDEX = "FANFOLD_RESULTS_INDEX"

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Tell numerical libraries how many threads to use: as many as the block's `min_cpu`."""

CHUNK_FILE = "data.bin"
"""The one file in TASK_DIR."""

LABELS_FILE = "labels.json"
"""Optional beside the chunks: a JSON list with one name a chunk."""

BYPASS_FILE = "input"
"""The one empty file in SOURCE_DIR when the data source is `bypass`."""

MAX_PARAMS_BYTES = 96 * 1024
"""Larger params do not fit into an environment variable."""

_CHUNK_NAME = re.compile(r"data_(0|[1-9][0-9]*)\.bin")


@dataclass(frozen=True, slots=True)
class Folders:
    """Which variable names the folder a program reads, and which the one it writes."""

    reads: tuple[str, ...]
    writes: str
    params: str


FOLDERS: Mapping[Role, Folders] = {
    Role.PARTITIONER: Folders((SOURCE_DIR,), CHUNKS_DIR, "PARTITIONER_PARAMS"),
    Role.APP: Folders((TASK_DIR,), TASK_RESULTS_DIR, "APP_PARAMS"),
    Role.ASSEMBLER: Folders((TASK_RESULTS_DIR, RESULTS_DIR), OUTPUT_DIR, "ASSEMBLER_PARAMS"),
}


def chunk_name(index: int) -> str:
    """What a partitioner calls its chunk number `index`."""
    return f"data_{index}.bin"


def chunk_index(name: str) -> int | None:
    """The index in a chunk's name, or None where it is not one."""
    found = _CHUNK_NAME.fullmatch(name)
    return int(found.group(1)) if found else None


def chunks_problem(names: Iterable[str]) -> str:
    """What is wrong with the files a partitioner left, as a sentence; "" when they are right.

    Right is: only `data_{i}.bin` with i = 0, 1, 2 ... and no gap, and an optional `labels.json`.
    """
    indexes = set()
    for name in names:
        if name == LABELS_FILE:
            continue
        index = chunk_index(name)
        if index is None:
            return f"the partitioner wrote '{name}' into CHUNKS_DIR; only data_0.bin, data_1.bin, ... may be there"
        indexes.add(index)
    for expected in range(len(indexes)):
        if expected not in indexes:
            found = chunk_name(min(index for index in indexes if index > expected))
            return f"the partitioner wrote '{found}' but no '{chunk_name(expected)}': chunks are numbered without gaps"
    return ""


def settled_name(name: str, index: int) -> str:
    """The name of a result file that several tasks wrote: `out.png` of chunk 7 becomes `out.7.png`."""
    folder, _, file = name.rpartition("/")
    stem, dot, suffix = file.rpartition(".")
    renamed = f"{stem}.{index}.{suffix}" if dot and stem else f"{file}.{index}"
    return f"{folder}/{renamed}" if folder else renamed


PROCESS_EXIT_REASONS: Mapping[int, str] = {
    126: "the entry point is not executable",
    127: "the entry point or its interpreter was not found",
}
