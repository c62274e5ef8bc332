"""Tokens of image registries: taken out of a pushed manifest and sealed before anything of the push is kept, so that
whoever may download a block does not get them. One for each version of a block, of the account that owns it."""

from __future__ import annotations

from fanfold.jobs.blocks import BlockType, Manifest
from fanfold.jobs.secrets import Credential, SecretType
from fanfold.ports.clock import Clock
from fanfold.ports.secrets import SecretRecord, SecretStore
from fanfold.services.sealing import Sealer

PREFIX = "registry:"
"""What their ids begin with; ids of people's secrets cannot."""


class RegistryTokens:
    """Keeps and finds the credentials with which a private image is pulled."""

    def __init__(self, store: SecretStore, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock

    def keep(self, account_id: str, manifest: Manifest, token: str) -> None:
        """Seal a token that was pushed. Without one, a private image keeps its earlier token, and a public one has no
        more. Safe to repeat."""
        secret_id, now = _id(manifest.type, manifest.name, manifest.version), self._clock.now()
        if not token:
            if not manifest.private_image:
                self._store.forget(account_id, [secret_id])
            return
        user = manifest.registry_username
        with self._sealer.lock:
            sealed = self._sealer.seal(account_id, secret_id, token)
            self._store.put(SecretRecord(account_id, secret_id, "", SecretType.OTHER, user, sealed, now, now), None)

    def forget(self, account_id: str, type_: BlockType, name: str, version: str) -> None:
        """Delete a token with its block. Safe to repeat."""
        self._store.forget(account_id, [_id(type_, name, version)])

    def find(self, account_id: str, type_: BlockType, name: str, version: str) -> Credential | None:
        """User and token for the image of a block that the account owns."""
        secret_id = _id(type_, name, version)
        with self._sealer.lock:
            record = self._store.find(account_id, secret_id)
            if record is None:
                return None
            token = self._sealer.open(account_id, secret_id, record.sealed)
        return Credential(secret_id, record.type, record.access_key, token)


def _id(type_: BlockType, name: str, version: str) -> str:
    return f"{PREFIX}{type_.value}:{name}@{version}"
