"""Secrets of accounts: stored sealed, listed without their values, given to the programs and places that name them.

A program gets the secrets that its manifest lists: an account's own block by naming them, another account's only
where the account granted them to that very revision.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from fanfold.errors import BadInput, NotAllowedNow, NotFound, Problem
from fanfold.jobs.access import Caller
from fanfold.jobs.blocks import read_manifest
from fanfold.jobs.models import Job, PinnedBlock
from fanfold.jobs.secrets import ALIASES, ID_PATTERN, environment_of, taken_name
from fanfold.ports.blocks import BlockRecord
from fanfold.ports.clock import Clock
from fanfold.ports.secrets import Credential, Credentials, Grant, ProgramSecrets, SecretRecord, SecretStore, SecretType
from fanfold.services.audit import AuditLog
from fanfold.services.place_secrets import own_ids
from fanfold.services.sealing import Sealer

MAX_VALUE = 16 * 1024
REWRAPPED_AT_ONCE = 100


class SecretService:
    """What a caller, a place and a program may ask about secrets."""

    def __init__(
        self,
        store: SecretStore,
        sealer: Sealer,
        audit: AuditLog,
        clock: Clock,
        is_shared: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_shared` says whether other servers, which know the master key too, use the database now."""
        self._is_shared = is_shared
        self._store = store
        self._sealer = sealer
        self._audit = audit
        self._clock = clock

    # ---- for people

    def put(
        self,
        caller: Caller,
        secret_id: str,
        type_: SecretType,
        *,
        name: str = "",
        access_key: str = "",
        secret_key: str = "",
        expires_at: datetime | None = None,
        request_id: str = "",
    ) -> SecretRecord:
        """Store a secret, or a new value of one, which keeps its grants; BadInput naming every problem, Conflict where
        the id is one of another type."""
        now = self._clock.now()
        problems = [*_id_problems(secret_id), *_value_problems(type_, access_key, secret_key)]
        if expires_at is not None and expires_at <= now:
            problems.append(Problem("secret.expiresAt", "lies in the past"))
        if problems:
            raise BadInput("the secret is not right", problems)
        entry = self._audit.entry(caller, request_id, "secret.put", secret_id, type=type_.value)
        with self._sealer.lock:
            sealed = self._sealer.seal(caller.account_id, secret_id, secret_key)
            record = SecretRecord(caller.account_id, secret_id, name, type_, access_key, sealed, now, now, expires_at)
            return self._store.put(record, entry)

    def listed(self, caller: Caller) -> list[tuple[SecretRecord, list[Grant]]]:
        """The account's secrets by id, without their values, each with its grants."""
        grants = self._store.grants(caller.account_id)
        records = self._store.listed(caller.account_id)
        return [(record, [grant for grant in grants if grant.secret_id == record.id]) for record in records]

    def grants(self, caller: Caller, secret_id: str) -> list[Grant]:
        """The grants of one of the account's secrets."""
        return self._store.grants(caller.account_id, secret_id)

    def delete(self, caller: Caller, type_: SecretType, secret_id: str, request_id: str = "") -> None:
        """Delete a secret with its grants; NotFound. Programs that run keep what they were given."""
        entry = self._audit.entry(caller, request_id, "secret.delete", secret_id, type=type_.value)
        self._store.delete(caller.account_id, type_, secret_id, entry)

    def grant(
        self, caller: Caller, type_: SecretType, secret_id: str, block: BlockRecord, request_id: str = ""
    ) -> Grant:
        """Let an imported block have a secret, as it is now: a further revision needs a further grant."""
        self._of_type(caller.account_id, type_, secret_id)
        if not block.archive:
            raise BadInput(f"'{block.tag}' is built in and asks for no secrets")
        if block.account_id == caller.account_id:
            raise BadInput(f"'{block.tag}' is your own and needs no grant: its manifest names what it gets")
        entry = self._audit.entry(
            caller, request_id, "secret.grant", secret_id, block=block.tag, revision=block.revision
        )
        grant = Grant(caller.account_id, secret_id, block.id, block.revision, block.tag, entry.at)
        self._store.grant(grant, entry)
        return grant

    def revoke(
        self, caller: Caller, type_: SecretType, secret_id: str, block: BlockRecord, request_id: str = ""
    ) -> None:
        """Take a grant back; safe to repeat. Programs that run keep what they were given."""
        self._of_type(caller.account_id, type_, secret_id)
        entry = self._audit.entry(caller, request_id, "secret.revoke", secret_id, block=block.tag)
        self._store.revoke(caller.account_id, secret_id, block.id, entry)

    def rotate(self, caller: Caller, request_id: str = "") -> int:
        """Wrap every secret with a new master key and forget the old one; how many there were. Safe to repeat, and
        to be cut off at any moment. NotAllowedNow while other servers seal with the old one."""
        if self._is_shared():
            hint = "Stop the others, rotate, and start them again."
            raise NotAllowedNow("other servers use the database and seal with the master key as it is.", hint=hint)
        with self._sealer.lock:
            self._sealer.begin_rotation()
            count = self.finish_rotation()
        self._audit.record(caller, request_id, "secret.rotate", self._sealer.current, {"count": count})
        return count

    def finish_rotation(self) -> int:
        """Wrap with the current master key what older ones have wrapped, then forget those; how many there were."""
        count = 0
        with self._sealer.lock:
            if not self._sealer.rotating:
                return 0
            while found := self._store.wrapped_otherwise(self._sealer.current, REWRAPPED_AT_ONCE):
                for record in found:
                    sealed = self._sealer.rewrapped(record.account_id, record.id, record.sealed)
                    count += self._store.rewrap(record, sealed)
            self._sealer.end_rotation()
        return count

    def clear_up(self) -> None:
        """What an earlier process left: a rotation that was cut off, values of jobs that never came to be."""
        self.finish_rotation()
        self._store.forget_orphans()

    def _of_type(self, account_id: str, type_: SecretType, secret_id: str) -> None:
        found = self._store.find(account_id, secret_id)
        if found is None or ":" in found.id or found.type is not type_:
            raise NotFound(f"there is no secret '{secret_id[:100]}' of type '{type_.value}'")

    # ---- for places

    def find(self, account_id: str, secret_id: str) -> Credential:
        """See `ports.secrets`."""
        with self._sealer.lock:
            record = self._store.find(account_id, secret_id)
            if record is None:
                raise BadInput(f"there is no secret '{secret_id[:100]}'; store it first (fanfold secret put)")
            if record.expires_at is not None and record.expires_at <= self._clock.now():
                raise BadInput(f"the secret '{record.id}' expired at {record.expires_at:%Y-%m-%d %H:%M} UTC; renew it")
            value = self._sealer.open(account_id, record.id, record.sealed)
        return Credential(record.id, record.type, record.access_key, value)

    # ---- for programs

    def environment(self, account_id: str, block: PinnedBlock) -> dict[str, str]:
        """See `ports.secrets`."""
        found: dict[str, str] = {}
        problems: list[Problem] = []
        for secret_id in read_manifest(block.manifest).secrets:
            try:
                given = environment_of(self._given(account_id, secret_id, block))
            except BadInput as err:
                problems.append(Problem("platform_config.secrets", f"{block.tag}: {err}"))
                continue
            if set(given) & set(found):
                reason = f"{block.tag}: two secrets share the variable '{min(set(given) & set(found))}'"
                problems.append(Problem("platform_config.secrets", reason))
            found |= given
        if problems:
            raise BadInput("the block cannot get its secrets", problems)
        return found

    def job_over(self, job: Job) -> None:
        """See `ports.secrets`."""
        if ids := own_ids(job):
            self._store.forget(job.account_id, sorted(ids))

    def _given(self, account_id: str, secret_id: str, block: PinnedBlock) -> Credential:
        if not re.fullmatch(ID_PATTERN, secret_id):
            raise BadInput(f"'{secret_id[:100]}' is not the id of a secret")
        credential = self.find(account_id, secret_id)
        if block.imported:
            self._check_grant(account_id, secret_id, block)
        return credential

    def _check_grant(self, account_id: str, secret_id: str, block: PinnedBlock) -> None:
        grants = [grant for grant in self._store.grants(account_id, secret_id) if grant.block_id == block.id]
        if not grants:
            hint = f"Type: fanfold secret grant {secret_id} {block.tag}"
            raise BadInput(f"the secret '{secret_id}' is not granted to this imported block.", hint=hint)
        if grants[0].revision != block.revision:
            said = f"was granted to revision {grants[0].revision}, and this is revision {block.revision}"
            raise BadInput(f"the secret '{secret_id}' {said}; look at what changed and grant it again")


def secret_type(text: str) -> SecretType:
    """A type by its name or alias; BadInput, which does not repeat the text: it may have come into the wrong field."""
    found = ALIASES.get(text) or next((known for known in SecretType if known.value == text), None)
    if found is None:
        known = ", ".join([*SecretType, *ALIASES])
        raise BadInput("unknown type of secret", [Problem("secretType", f"known are {known}")])
    return found


def _id_problems(secret_id: str) -> list[Problem]:
    if not re.fullmatch(ID_PATTERN, secret_id):
        return [Problem("secret.id", "expected a letter, then letters, digits, '-' and '_', at most 64 in all")]
    taken = taken_name(secret_id)
    return [Problem("secret.id", f"programs would get it as '{taken}', which means something else")] if taken else []


def _value_problems(type_: SecretType, access_key: str, secret_key: str) -> list[Problem]:
    problems = []
    if not secret_key:
        problems.append(Problem("secretKey", "is missing"))
    if not access_key and type_ is not SecretType.OTHER:
        problems.append(Problem("secret.accessKey", f"is missing; a secret of type '{type_.value}' has one"))
    for field, value in (("secretKey", secret_key), ("secret.accessKey", access_key)):
        if "\0" in value or len(value.encode("utf-8", "surrogatepass")) > MAX_VALUE:
            problems.append(Problem(field, f"expected at most {MAX_VALUE} bytes without NUL"))
    return problems


_fits: tuple[type[Credentials], type[ProgramSecrets]] = (SecretService, SecretService)
