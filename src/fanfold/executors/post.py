"""Where runners are hired."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fanfold.ports.blobs import BlobPlace
from fanfold.ports.environments import EnvironmentPlace


@dataclass(frozen=True, slots=True)
class Post:
    """What runners' names begin with, this machine's region, where job data is at rest and the state folder here.
    With `clamp` it runs what needs more than there is, too. `environments` says how runners make environments, where
    the server does not."""

    name: str = "local"
    region: str = ""
    storage: tuple[BlobPlace, Path] | None = None
    clamp: bool = False
    environments: EnvironmentPlace | None = None
