"""Before a server begins: its job storage answers, and is its own."""

from __future__ import annotations

import hashlib

from fanfold.effects import Effects
from fanfold.ports.blobs import Blobs, WrongStorage
from fanfold.services.server_keys import FILE_NAME, server_keys
from fanfold.settings import Settings

OWNER = "owner"
"""The blob that says whose a shared storage is. What no row of its owner wants is removed, so it can have but one."""


def check_storage(settings: Settings, blobs: Blobs) -> None:
    """Raise WrongStorage where other settings are needed, Unavailable where the storage does not answer."""
    blobs.check()
    if not settings.storage:
        return
    pepper = server_keys(settings.state, Effects()).pepper
    ours = hashlib.sha256(b"job storage\0" + pepper).hexdigest().encode()
    path = blobs.root / OWNER
    try:
        with blobs.open(path) as file:
            found = file.read(len(ours) + 1)
    except FileNotFoundError:
        with blobs.new(path) as made:
            made.write(ours)
        return
    if found != ours:
        said = f"{settings.storage} has the job data of a server with other keys ({FILE_NAME}), which would be removed"
        mend = (
            f"Choose another prefix or bring those keys. If nobody uses that data, delete the object '{OWNER}' there."
        )
        raise WrongStorage(said, hint=mend)
