"""Where runners are hired."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fanfold.ports.blobs import BlobPlace


@dataclass(frozen=True, slots=True)
class Post:
    """What runners' names begin with, this machine's region, where job data is at rest and the state folder here.
    With `clamp` it runs what needs more than there is, too."""

    name: str = "local"
    region: str = ""
    storage: tuple[BlobPlace, Path] | None = None
    clamp: bool = False
