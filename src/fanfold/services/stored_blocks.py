"""Archives and programs of blocks where job data is at rest elsewhere: in the job storage, as many servers share it.

archives/<sha256>.zip or .tar.gz, packages/<sha256>   as on a disk; what lies on this machine's disk is a copy
archives/<name>.kept, packages/<sha256>.kept          empty: when it was made new
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from fanfold.effects import Effects
from fanfold.ports.blobs import Blob, Blobs
from fanfold.ports.clock import Clock
from fanfold.services.block_files import FOLDERS, BlockFiles

KEPT = ".kept"
NEW_ENOUGH = timedelta(minutes=10)
"""What was made new so lately is new: it is not written again for every job."""


class StoredBlockFiles(BlockFiles):
    """Blocks in the job storage. Who asks for one makes it new; what is new is never removed."""

    def __init__(self, root: Path, effects: Effects, clock: Clock, blobs: Blobs) -> None:
        super().__init__(root, effects, clock)
        self._blobs = blobs
        self._renewed: dict[str, datetime] = {}
        self._renewing = threading.Lock()

    def fetched(self, key: str) -> Path:
        """See `BlockFiles`."""
        path = self.path(key)
        if path.parent.name == "packages":
            return self._blobs.program(path)
        if not path.exists():
            self._effects.make_folder(path.parent)
            with contextlib.suppress(FileExistsError):  # another request was first
                self._blobs.place(path, path)
        return path

    def size(self, key: str) -> int:
        """See `BlockFiles`."""
        return sum(blob.size_bytes for name, blob in self._found() if name == key)

    def keep(self, key: str) -> bool:
        """See `BlockFiles`."""
        with self._renewing:
            now = self._clock.now()
            if now - self._renewed.get(key, now - NEW_ENOUGH) < NEW_ENOUGH:
                return True
            if not self._blobs.exists(self.path(key)):
                return False
            self._renew(key)
            return True

    def _renew(self, key: str) -> None:
        path = self.path(key)
        with self._blobs.new(path.with_name(path.name + KEPT)):
            self._renewed[key] = self._clock.now()

    def put(self, part: Path, key: str) -> None:
        """See `BlockFiles`."""
        with self._renewing:
            self._renew(key)  # first: what is there already must not be removed now
            super().put(part, key)
            path = self.path(key)
            if path.is_dir():
                self._blobs.keep_program(path)
            else:
                self._blobs.take(path)

    def old(self, before: datetime) -> Iterator[str]:
        """See `BlockFiles`."""
        newest: dict[str, datetime] = {}
        for key, blob in self._found():
            newest[key] = max(blob.changed_at, newest.get(key, blob.changed_at))
        yield from (key for key, changed_at in sorted(newest.items()) if changed_at < before)

    def _found(self) -> Iterator[tuple[str, Blob]]:
        """Everything that is kept, with the key it belongs to."""
        for folder in FOLDERS:
            for blob in self._blobs.below(self.path(folder)):
                name = blob.name.removesuffix(KEPT) if folder == "archives" else blob.name.partition(".")[0]
                yield f"{folder}/{name}", blob

    def remove(self, key: str, before: datetime) -> int | None:
        """See `BlockFiles`."""
        with self._renewing:
            if self._renewed.get(key, before) > before or key not in set(self.old(before)):
                return None
            size_bytes = self.size(key)
            path = self.path(key)
            self._blobs.drop(path)
            self._blobs.drop(path.with_name(path.name + KEPT))
            self._renewed.pop(key, None)
        return size_bytes
