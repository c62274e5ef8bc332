"""Secrets: what a server remembers of them, and how their values are asked for.

A value is at rest only sealed (`services.sealing`), and in memory only as a `Credential`, where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fanfold.jobs.models import Job, PinnedBlock
from fanfold.jobs.secrets import Credential, SecretType
from fanfold.ports.access import AuditEntry

__all__ = [
    "Credential",
    "Credentials",
    "Grant",
    "ProgramSecrets",
    "Sealed",
    "SecretRecord",
    "SecretStore",
    "SecretType",
]


class Credentials(Protocol):
    """Finds the value of a secret by the account that asks and the `secret_id` of a place's params.

    `DataRef.account_id` says whose place it is. Ids of secrets that were given inside a job are found the same way.
    """

    def find(self, account_id: str, secret_id: str) -> Credential:
        """The secret with its value; raises BadInput, in words, where there is none or it has expired."""


class ProgramSecrets(Protocol):
    """Gives programs the secrets that their manifests list."""

    def environment(self, account_id: str, block: PinnedBlock) -> dict[str, str]:
        """The variables of all of them; BadInput naming each that is missing, expired or not granted."""

    def job_over(self, job: Job) -> None:
        """A job's files are gone for good: forget the credentials that were given inside it. Safe to repeat."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value at rest: encrypted with a data key of its own, which the master key named `master` has wrapped."""

    master: str
    wrapped_key: bytes = field(repr=False)
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret without its value. With a `job_id` it lives and dies with its job. Ids with a colon are not people's."""

    account_id: str
    id: str
    name: str
    type: SecretType
    access_key: str
    sealed: Sealed = field(repr=False)
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """That an account lets one revision of another account's block have a secret."""

    account_id: str
    secret_id: str
    block_id: str
    revision: int
    tag: str
    granted_at: datetime


class SecretStore(Protocol):
    """Durable when a call returns. Raises Unavailable, OutOfSpace."""

    def put(self, record: SecretRecord, entry: AuditEntry | None) -> SecretRecord:
        """Write a secret, over the account's one of that id, whose creation time and grants stay; Conflict where that
        is of another type."""

    def find(self, account_id: str, secret_id: str) -> SecretRecord | None:
        """One secret of the account."""

    def listed(self, account_id: str) -> list[SecretRecord]:
        """The account's own secrets by id, expired ones too."""

    def delete(self, account_id: str, type_: SecretType, secret_id: str, entry: AuditEntry) -> None:
        """Delete a secret with its grants; NotFound."""

    def grant(self, grant: Grant, entry: AuditEntry) -> None:
        """Write a grant, over that of another revision of the block. NotFound where the secret is not there."""

    def revoke(self, account_id: str, secret_id: str, block_id: str, entry: AuditEntry) -> None:
        """Take a grant back; safe to repeat."""

    def grants(self, account_id: str, secret_id: str = "") -> list[Grant]:
        """The grants of one secret, or of all."""

    def forget(self, account_id: str, ids: Sequence[str]) -> None:
        """Delete secrets of jobs and blocks, none that people stored; safe to repeat. A deleted job's go with it, in
        one transaction."""

    def forget_orphans(self) -> int:
        """Delete secrets of jobs that no job names; says how many. For the start of a server."""

    def wrapped_otherwise(self, master: str, limit: int) -> list[SecretRecord]:
        """Some of the secrets whose key another master key than this one has wrapped."""

    def rewrap(self, record: SecretRecord, sealed: Sealed) -> bool:
        """Write a new wrapping, where the secret is still as `record` says."""
