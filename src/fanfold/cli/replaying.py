"""A pulled task as a folder, and what `fanfold task run` makes of it.

FOLDER/
  replay.json   which task it is, and its params
  chunk/        the chunk as its app sees it
  block/        manifest.json and app/, to be changed at will
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fanfold.archives import Limits, unpack
from fanfold.cli.connection import speaking
from fanfold.cli.trial import Given, Trial
from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, NotFound, Problem
from fanfold.jobs import contract
from fanfold.jobs.blocks import BlockType
from fanfold.services.packages import content_sha256

TOLD = "replay.json"
LIMITS = Limits(entries=20_000, size_bytes=1024**4, ratio=1000)
_KINDS: dict[str, type | tuple[type, ...]] = {
    "jobId": str,
    "taskId": str,
    "sha256": str,
    "params": dict,
    "chunkIndex": int,
    "numChunks": int,
    "taskTimeout": (int, float),
}


def pulled(fetch: Callable[[Path], None], folder: Path) -> Path:
    """Fetch the archive and unpack it into a new folder, which appears whole; Conflict where there is one already."""
    if folder.exists():
        raise Conflict(f"'{folder}' exists already; name another place with --in")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fanfold-", dir=folder.parent) as part:
        archive = Path(part, "archive")
        fetch(archive)
        unpack(archive, Path(part, "task"), LIMITS)
        Effects().rename(Path(part, "task"), folder)
    return folder


def trial_of(folder: Path, python: str, *, keep: bool, as_json: bool) -> Trial:
    """How the task is run here; BadInput, NotFound for a folder that is none."""
    told = _told(folder)
    block, chunk = folder / "block", folder / "chunk" / contract.CHUNK_FILE
    if content_sha256(block, BlockType.APP) != told["sha256"]:
        speaking().print("note: the block is not as it was pulled", style="yellow")
    environment = {
        contract.JOB_ID: told["jobId"],
        contract.TASK_ID: told["taskId"],
        contract.CHUNK_INDEX: str(told["chunkIndex"]),
        contract.NUM_CHUNKS: str(told["numChunks"]),
    }
    given = Given(told["params"], environment, ask=True)
    return Trial(block, chunk, (), python, float(told["taskTimeout"]), keep, as_json, given)


def _told(folder: Path) -> dict[str, Any]:
    place = folder / TOLD
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as err:
        raise NotFound(f"'{folder}' has no {TOLD}; type: fanfold task pull JOB TASK") from err
    except (OSError, ValueError, RecursionError) as err:
        raise BadInput(f"'{place}' cannot be read: {err}") from err
    known = told if isinstance(told, dict) else {}
    problems = [
        Problem(name, "is missing or of another kind")
        for name, kind in _KINDS.items()
        if not isinstance(known.get(name), kind) or isinstance(known.get(name), bool)
    ]
    if problems:
        raise BadInput(f"'{place}' is not what was pulled; pull the task again", problems)
    return known
