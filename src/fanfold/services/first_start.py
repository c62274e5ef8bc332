"""The first start of a server: its first account, and the key that lets somebody in.

The key lies in a file of the state folder, readable by its owner alone, from before the account is there until the key
was told. A server that is killed in between tells the same key at its next start.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fanfold.effects import Effects
from fanfold.services.access import AccessService
from fanfold.services.credentials import check_key, new_key
from fanfold.services.server_keys import OWNER_ONLY, key_file

FILE_NAME = "first-key.txt"


class FirstStart:
    """Makes what a new server has. `furnish` gives the first account its samples, and is safe to repeat."""

    def __init__(self, access: AccessService, folder: Path, effects: Effects, furnish: Callable[[], None]) -> None:
        self._access = access
        self._path = folder / FILE_NAME
        self._effects = effects
        self._furnish = furnish

    def key(self) -> str | None:
        """The first key, until it was `told`; None afterwards. Safe to repeat, and to be cut off at any moment."""
        if not self._path.exists():
            if self._access.begun():
                return None
            self._effects.write_file(self._path, new_key().encode() + b"\n", OWNER_ONLY)
        key = key_file(self._path, "revoke the first key").decode("ascii", "replace").strip()
        check_key(key)
        self._access.first_account(key)
        self._furnish()
        return key

    def told(self) -> None:
        """Somebody has seen the key: keep it no longer. Safe to repeat."""
        self._effects.remove_file(self._path)
