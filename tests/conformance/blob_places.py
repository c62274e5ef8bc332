"""The storages of job data that a suite runs on, each empty and seen from as many machines as a test wants."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fanbench import object_store as real
from obstore.exceptions import BaseError

from fanfold.effects import Effects
from fanfold.ports.blobs import BlobPlace, Blobs
from fanfold.runner.storage import storage_at
from tests.conformance.s3_server import KEYS, s3_server

TRIES = 3
KINDS = ("files", "s3-stand-in", "s3-real")


@dataclass(frozen=True)
class Storage:
    """One storage; `folder` holds the state folders of its machines."""

    kind: str
    place: BlobPlace
    folder: Path

    @property
    def shared(self) -> bool:
        """Whether several machines have it."""
        return self.kind != "files"

    def machine(self, name: str = "here", **changes: object) -> Blobs:
        """The storage as a machine has it."""
        root = self.folder / name
        root.mkdir(exist_ok=True)
        return storage_at(replace(self.place, **changes), Effects(), root)  # type: ignore[arg-type]


@contextmanager
def servers(kind: str, folder: Path) -> Iterator[BlobPlace]:
    """Start what a kind of storage needs; every test takes a prefix of its own in its bucket."""
    if kind == "s3-stand-in":
        with s3_server(folder) as stand_in:
            stand_in.bucket("jobs")
            yield BlobPlace("s3", "jobs", "", stand_in.url, "", *KEYS, patience_s=60.0)
    elif kind == "s3-real":
        with real_store(folder) as store:
            yield BlobPlace("s3", real.BUCKET, "", store.url, "", *real.KEYS, patience_s=60.0)
    else:
        yield BlobPlace()


@contextmanager
def real_store(folder: Path) -> Iterator[real.ObjectStore]:
    """A real object store. Another program may take a port before it does: then it is started again."""
    with ExitStack() as stack:
        for number in range(TRIES):
            try:
                store = stack.enter_context(real.object_store(folder / f"store-{number}"))
                break
            except BaseError:
                if number == TRIES - 1:
                    raise
        yield store
        store.process.kill()  # its own end takes half a minute


def fresh(place: BlobPlace) -> BlobPlace:
    """The same with nothing in it."""
    return replace(place, prefix=f"a/{uuid.uuid4().hex}") if place.kind == "s3" else place
