"""The job storage as a runner has it: made from what its server told it, on whatever machine it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fanfold.effects import Effects
from fanfold.ports.blobs import BlobPlace, Blobs
from fanfold.registry import BLOBS, load


def at_rest_here(effects: Effects, root: Path = Path("/")) -> Blobs:
    """This machine's disk."""
    return storage_at(BlobPlace(), effects, root)


def storage_at(place: BlobPlace, effects: Effects, root: Path, given_up: Callable[[], bool] = lambda: False) -> Blobs:
    """The storage of a place; `root` is this machine's state folder. Where it does not answer it is asked again until
    `given_up()`, at most for the place's patience."""
    made: Any = load(BLOBS, place.kind, "job storage")
    blobs: Blobs = made(effects, root, place, given_up)
    return blobs
