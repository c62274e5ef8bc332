"""The lock of the one process that owns a database file, or a state folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fanfold.errors import Conflict


def locked(path: Path, what: str, hint: str, *, shared: bool = False) -> int:
    """Take the lock file at `path`, alone or `shared` with others that do, and return its descriptor; Conflict, naming
    `what`, where another process has it. The lock is gone with the descriptor or the process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        raise Conflict(f"{what} is in use by another process.", hint=hint) from err
    return descriptor
