"""The server's own keys: a pepper for what is stored of API keys and tokens, a key that signs links.

They lie in one file of the state folder, made at the first start and readable by its owner alone. Without the file all
API keys are void, and so are the links that were given out: it belongs into every backup of the database.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fanfold.effects import Effects
from fanfold.errors import BadInput

FILE_NAME = "server-keys.json"
VERSION = 1
KEY_BYTES = 32
OWNER_ONLY = 0o600
_NAMES = ("pepper", "signer")
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """32 bytes each."""

    pepper: bytes = field(repr=False)
    signer: bytes = field(repr=False)


def server_keys(folder: Path, effects: Effects) -> ServerKeys:
    """The keys of a state folder, made where there are none. Two processes that start at once agree on one pair.

    Raises BadInput for a file that others may read or change, or that does not hold keys.
    """
    path = folder / FILE_NAME
    if not os.path.lexists(path):
        keys = {name: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() for name in _NAMES}
        make_key_file(path, {"version": VERSION, **keys}, effects)
    return _read(path, key_file(path, "make new API keys"))


def make_key_file(path: Path, keys: Any, effects: Effects) -> None:
    """Write the file whole under a name of our own, then give it its name, unless somebody was quicker."""
    ours = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    effects.write_file(ours, json.dumps(keys, indent=1).encode() + b"\n", mode=OWNER_ONLY)
    with contextlib.suppress(FileExistsError):
        effects.link_or_copy(ours, path)
    effects.remove_file(ours)
    effects.fsync_folder(path.parent)


def key_file(path: Path, exposed: str) -> bytes:
    """What a file of keys holds; BadInput where others may read or change it. `exposed` says what helps then."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as err:
        raise BadInput(f"the key file '{path}' cannot be read: {err.strerror}") from err
    try:
        _check_owner(path, os.fstat(descriptor), exposed)
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def _check_owner(path: Path, info: os.stat_result, exposed: str) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise BadInput(f"the key file '{path}' is not a file")
    if info.st_uid != os.geteuid():
        raise BadInput(f"the key file '{path}' belongs to user {info.st_uid}, not to the one that runs the server")
    if stat.S_IMODE(info.st_mode) & ~OWNER_ONLY:
        found = f"has mode {stat.S_IMODE(info.st_mode):04o}, so that others may use it"
        hint = f"Type: chmod 600 '{path}'. If others had access to it, {exposed}."
        raise BadInput(f"the key file '{path}' {found}.", hint=hint)


def _read(path: Path, data: bytes) -> ServerKeys:
    try:
        found = json.loads(data)
        if found["version"] != VERSION:
            raise BadInput(f"the key file '{path}' has version {found['version']!r}; this release knows {VERSION}")
        return ServerKeys(**{name: key_of(found[name]) for name in _NAMES})
    except (ValueError, KeyError, TypeError) as err:
        hint = "Bring it back from a backup; without it all API keys are void."
        raise BadInput(f"the key file '{path}' does not hold the server's keys.", hint=hint) from err


def key_of(text: Any) -> bytes:
    """32 bytes from their base64; ValueError for anything else."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as err:
        raise ValueError("not base64") from err
    if len(key) != KEY_BYTES:
        raise ValueError("not a key")
    return key
