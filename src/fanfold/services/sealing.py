"""Secret values at rest: AES-256-GCM, a data key for each value, which a master key wraps; both are bound to the
account and the id, so that a row that was moved to another place cannot be opened.

The master keys lie in one file, readable by its owner alone, `{"version", "current", "keys": {name: base64}}`. While
they are rotated it holds two, so that every value can be opened at every moment: the new key is on disk before the
first value is wrapped with it, and the old one goes after the last.

Instead of a file the keys may be given as text, the current one first: who starts the server keeps them then, and
rotates by putting a new key before the old one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fanfold.effects import Effects
from fanfold.errors import BadInput, Broken
from fanfold.jobs.secrets import Masker
from fanfold.ports.secrets import Sealed
from fanfold.services.server_keys import KEY_BYTES, OWNER_ONLY, key_file, key_of, make_key_file

FILE_NAME = "master-key.json"
VARIABLE = "FANFOLD_MASTER_KEY"
VERSION = 1
NONCE_BYTES = 12
VALUES_MASKED = 1000
_EXPOSED = "rotate the master key (fanfold secret rotate) and replace the secrets at their services"


@dataclass(frozen=True, slots=True)
class _Keys:
    current: str
    keys: dict[str, bytes] = field(repr=False)


class Sealer:
    """Seals and opens values with the master keys of a file, which is made where there is none, or with `given` ones;
    a file that was used before is read beside those.

    Raises BadInput for a file that others may read, or for what holds no keys. Who reads or writes what is sealed holds
    `lock` meanwhile, so that no key is forgotten in between. `mask` takes the last thousand values out of texts.
    """

    def __init__(self, path: Path, effects: Effects, given: str = "") -> None:
        self._path = path
        self._effects = effects
        self.lock = threading.RLock()
        self._values: OrderedDict[str, Masker] = OrderedDict()
        self._given = bool(given)
        if not given and not path.exists():
            make_key_file(path, _file_of(_with_new({})), effects)
        self._keys = _keys_given(given, path) if given else _read(path)

    @property
    def current(self) -> str:
        """The name of the master key that wraps new data keys."""
        return self._keys.current

    def knows(self, master: str) -> bool:
        """Whether what a master key of this name wraps can be opened."""
        return master in self._keys.keys

    @property
    def rotating(self) -> bool:
        """Whether there are older keys, with which values may still be wrapped."""
        return len(self._keys.keys) > 1

    def seal(self, account_id: str, secret_id: str, value: str) -> Sealed:
        """Encrypt a value with a new data key."""
        self._remember(value)
        data_key = secrets.token_bytes(KEY_BYTES)
        bound = _bound(account_id, secret_id)
        sealed = _encrypted(data_key, value.encode("utf-8", "surrogatepass"), bound)
        return Sealed(self.current, _encrypted(self._keys.keys[self.current], data_key, bound), sealed)

    def open(self, account_id: str, secret_id: str, sealed: Sealed) -> str:
        """Decrypt a value; Broken where it was changed, or is another secret's."""
        bound = _bound(account_id, secret_id)
        value = _decrypted(self._data_key(bound, sealed), sealed.value, bound).decode("utf-8", "surrogatepass")
        self._remember(value)
        return value

    def mask(self, text: str) -> str:
        """A text without the values that passed here lately."""
        with self.lock:
            maskers = list(self._values.values())
        for masked in maskers:
            text = masked(text)
        return text

    def _remember(self, value: str) -> None:
        with self.lock:
            self._values.setdefault(value, Masker([value]))
            self._values.move_to_end(value)
            if len(self._values) > VALUES_MASKED:
                self._values.popitem(last=False)

    def rewrapped(self, account_id: str, secret_id: str, sealed: Sealed) -> Sealed:
        """The same sealed value, its data key wrapped with the current master key."""
        bound = _bound(account_id, secret_id)
        data_key = self._data_key(bound, sealed)
        return Sealed(self.current, _encrypted(self._keys.keys[self.current], data_key, bound), sealed.value)

    def _data_key(self, bound: bytes, sealed: Sealed) -> bytes:
        if not self.knows(sealed.master) and not self._given and self._path.exists():
            self._keys = _read(self._path)  # another process has a new one
        if not self.knows(sealed.master):
            hint = f"Bring '{self._path}' back from the backup that belongs to this database, or set {VARIABLE}."
            raise Broken(f"a secret is sealed with the master key '{sealed.master}', which is not there.", hint=hint)
        return _decrypted(self._keys.keys[sealed.master], sealed.wrapped_key, bound)

    def begin_rotation(self) -> None:
        """Make a new master key current and keep the old ones; goes on with a rotation that was cut off."""
        if self.rotating:
            return
        if self._given:
            hint = f"Start it with {VARIABLE}='NEW OLD'; once it answers, all is wrapped with NEW and OLD can go."
            raise BadInput("the server was given its master key and cannot change it.", hint=hint)
        self._write(_with_new(self._keys.keys))

    def end_rotation(self) -> None:
        """Forget all keys but the current one; only once nothing is wrapped with them."""
        self._write(_Keys(self.current, {self.current: self._keys.keys[self.current]}))

    def _write(self, keys: _Keys) -> None:
        if self._given:
            self._keys = keys
            return
        try:
            self._effects.write_file(self._path, json.dumps(_file_of(keys), indent=1).encode() + b"\n", OWNER_ONLY)
        except OSError as err:
            raise BadInput(f"the master key file '{self._path}' cannot be written: {err.strerror}") from err
        self._keys = keys


def _with_new(keys: dict[str, bytes]) -> _Keys:
    name = secrets.token_hex(4)
    return _Keys(name, {**keys, name: secrets.token_bytes(KEY_BYTES)})


def _keys_given(text: str, path: Path) -> _Keys:
    try:
        keys = [key_of(part) for part in text.replace(",", " ").split()]
        current = _name_of(keys[0])
    except (ValueError, IndexError) as err:
        hint = "Make one with: openssl rand -base64 32. Of several the first is the current one."
        raise BadInput(f"{VARIABLE} does not hold master keys: each is 32 bytes in base64.", hint=hint) from err
    older = _read(path).keys if path.exists() else {}
    return _Keys(current, {**older, **{_name_of(key): key for key in keys}})


def _name_of(key: bytes) -> str:
    """A name that does not need a place to be kept in, and tells nothing of the key."""
    return hashlib.sha256(b"the name of a master key" + key).hexdigest()[:8]


def _file_of(keys: _Keys) -> dict[str, object]:
    named = {name: base64.b64encode(key).decode() for name, key in keys.keys.items()}
    return {"version": VERSION, "current": keys.current, "keys": named}


def _read(path: Path) -> _Keys:
    try:
        found = json.loads(key_file(path, _EXPOSED))
        if found["version"] != VERSION:
            raise BadInput(f"the key file '{path}' has version {found['version']!r}; this release knows {VERSION}")
        keys = {str(name): key_of(text) for name, text in found["keys"].items()}
        return _Keys(found["current"], {found["current"]: keys[found["current"]], **keys})
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        hint = "Bring it back from a backup; without it no secret can be read."
        raise BadInput(f"the key file '{path}' does not hold master keys.", hint=hint) from err


def _bound(account_id: str, secret_id: str) -> bytes:
    return json.dumps([account_id, secret_id]).encode()


def _encrypted(key: bytes, data: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, bound)


def _decrypted(key: bytes, data: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], bound)
    except InvalidTag as err:
        raise Broken("a stored secret was changed, or moved to another place, and cannot be opened") from err
