"""The folders that an attempt works in and publishes to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fanfold.ports.executor import RunOrder

IN, OUT, TEMPORARY = "in", "out", "tmp"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one attempt works and publishes; `ground` holds all attempts of its account on its runner."""

    ground: Path
    scratch: Path
    reads: Path
    writes: Path
    temporary: Path
    published: Path
    logs: Path


def place_of(runner: str, pid: int) -> str:
    """The name of the folder below `scratch` that a runner's process works in."""
    return f"{runner}.{pid}"


def folders_of(order: RunOrder, place: str, root: Path = Path("/")) -> Folders:
    """The folders of an order's attempt, carried out at a runner's place; `root` is the runner's state folder."""
    job, name = root / order.folder, order.attempt.name
    ground = Path(root, order.scratch, place, hashlib.sha256(order.account.encode()).hexdigest()[:16])
    scratch = ground / f"{order.attempt.task.job_id}.{name}"
    return Folders(
        ground,
        scratch,
        scratch / IN,
        scratch / OUT,
        scratch / TEMPORARY,
        job / "results" / name,
        job / "logs",
    )
