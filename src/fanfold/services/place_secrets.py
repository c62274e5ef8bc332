"""Credentials that a person writes into a job's data source or destination: they are sealed before the job is stored,
under an id of their own that stands in the params instead, shown to nobody, and deleted with the job.

A further edit that leaves them out keeps them, as people send back what they were shown, unless it names another place:
a password is not to follow to a server that it was not meant for.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from fanfold.errors import BadInput, Problem
from fanfold.jobs.blocks import snake
from fanfold.jobs.models import DataRef, Job
from fanfold.jobs.secrets import ALIASES, OWN_PREFIX, SecretType
from fanfold.ports.clock import Clock
from fanfold.ports.secrets import SecretRecord, SecretStore
from fanfold.services.sealing import Sealer

URL = "url"
_PAIRS = frozenset({*SecretType, *ALIASES}) - {SecretType.OTHER}
_VALUES = {URL: ("password",)} | dict.fromkeys(_PAIRS, ("access_key", "secret_key"))
"""Which params of a kind of place are credentials."""

_ALL = frozenset({"password", "access_key", "secret_key"})
SECRET_ID = "secret_id"  # noqa: S105 - the name of a param


class PlaceSecrets(Protocol):
    """Keeps credentials of places out of jobs."""

    def sealed(self, job: Job, before: Job | None = None) -> Job:
        """The job as it may be stored; `before` is what is stored. Raises BadInput for credentials that do not fit."""

    def replaced(self, before: Job | None, after: Job) -> None:
        """Forget what `before` named and `after` does not; safe to repeat."""


class NoPlaceSecrets:
    """Where nothing can be sealed, credentials are refused."""

    def sealed(self, job: Job, before: Job | None = None) -> Job:
        """See `PlaceSecrets`."""
        for field, ref in _places(job).items():
            if _ALL & {snake(str(name)) for name in ref.params}:
                raise BadInput("credentials are kept by servers only", [Problem(f"{field}.params", "leave them out")])
        return job

    def replaced(self, before: Job | None, after: Job) -> None:
        """There is nothing to forget."""


class SealedPlaceSecrets:
    """Credentials of jobs in the store of secrets."""

    def __init__(self, store: SecretStore, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock

    def sealed(self, job: Job, before: Job | None = None) -> Job:
        """See `PlaceSecrets`."""
        known = {} if before is None else _places(before)
        read = {field: _read(field, ref) for field, ref in _places(job).items()}
        problems = [problem for given in read.values() for problem in given.problems]
        if problems:
            raise BadInput("the data source or destination cannot be used", problems)
        places = {field: self._place(job, given, known.get(field)) for field, given in read.items()}
        return replace(job, data_source=places["dataSource"], data_destination=places["dataDestination"])

    def replaced(self, before: Job | None, after: Job) -> None:
        """See `PlaceSecrets`."""
        if before is not None:
            gone = own_ids(before) - own_ids(after)
            if gone:
                self._store.forget(after.account_id, sorted(gone))

    def _place(self, job: Job, given: _Given, before: DataRef | None) -> DataRef:
        ref = replace(given.ref, account_id=job.account_id)
        if given.value:
            return _with_id(ref, self._stored(job, given))
        kept = "" if before is None else own_id(before)
        if kept and not given.emptied and _same_place(before, ref):
            return _with_id(ref, kept)
        return ref

    def _stored(self, job: Job, given: _Given) -> str:
        secret_id = f"{OWN_PREFIX}{job.id}:{secrets.token_hex(8)}"
        now, kind = self._clock.now(), given.ref.descriptor
        type_ = SecretType.OTHER if kind == URL else ALIASES.get(kind) or SecretType(kind)
        with self._sealer.lock:
            sealed = self._sealer.seal(job.account_id, secret_id, given.value)
            record = SecretRecord(
                job.account_id, secret_id, "", type_, given.access_key, sealed, now, now, None, job.id
            )
            self._store.put(record, None)
        return secret_id


def own_id(ref: DataRef) -> str:
    """The id under which a place's own credentials are sealed, or ""."""
    named = ref.params.get(SECRET_ID)
    return named if isinstance(named, str) and named.startswith(OWN_PREFIX) else ""


class _Given:
    """A place as a person wrote it, its credentials taken out. `emptied` says that they were given as empty."""

    def __init__(self, ref: DataRef) -> None:
        self.ref = ref
        self.value = ""
        self.access_key = ""
        self.emptied = False
        self.problems: list[Problem] = []


def _read(field: str, ref: DataRef) -> _Given:
    named = {snake(str(name)): name for name in ref.params}
    credentials = {name: ref.params[named[name]] for name in _ALL if name in named}
    given = _Given(
        replace(ref, params={key: value for key, value in ref.params.items() if snake(str(key)) not in _ALL})
    )
    known = _VALUES.get(ref.descriptor, ())
    for name, value in credentials.items():
        place = f"{field}.params.{named[name]}"
        if name not in known and value:
            given.problems.append(Problem(place, f"is unknown; '{ref.descriptor}' takes no such credential"))
        elif not isinstance(value, str | None):
            given.problems.append(Problem(place, "expected a text"))
    if given.problems:
        return given
    given.access_key = credentials.get("access_key") or ""
    given.value = credentials.get(known[-1]) or "" if known else ""
    given.emptied = bool(credentials) and not given.value
    given.problems += _clashes(field, given, named)
    return given


def _clashes(field: str, given: _Given, named: Mapping[str, str]) -> list[Problem]:
    """Credentials that do not fit together, or stand where they would be shown."""
    params = given.ref.params
    secret_id = params.get(named.get(SECRET_ID, ""))
    found = []
    if isinstance(secret_id, str) and secret_id.startswith(OWN_PREFIX):
        found.append(Problem(f"{field}.params.{named[SECRET_ID]}", "is not the id of a secret of yours"))
    elif secret_id and given.value:
        found.append(Problem(f"{field}.params.{named[SECRET_ID]}", "give either a secret's id or credentials"))
    if given.ref.descriptor != URL and bool(given.access_key) != bool(given.value):
        missing = "secretKey" if given.access_key else "accessKey"
        found.append(Problem(f"{field}.params.{missing}", "is missing: the two belong together"))
    if given.ref.descriptor == URL and _names_user(_authority(params.get("url"))):
        found.append(Problem(f"{field}.params.url", "has a user in it; give 'username' and 'password' instead"))
    return found


def _names_user(authority: str) -> bool:
    """Whether there is a user in it, also one whose password has a `/` that should have been encoded."""
    port = authority.rpartition(":")[2] if ":" in authority and not authority.endswith("]") else ""
    return "@" in authority or (port != "" and not port.isdigit())


def _authority(url: Any) -> str:
    """Everything between the scheme and the path, read as leniently as anybody may."""
    text = str(url or "").replace("\\", "/")
    return text.partition("//")[2].lstrip("/").partition("/")[0].partition("?")[0].partition("#")[0]


def _places(job: Job) -> dict[str, DataRef]:
    return {"dataSource": job.data_source, "dataDestination": job.data_destination}


def own_ids(job: Job) -> set[str]:
    """The ids under which credentials that were given inside a job are sealed."""
    return {own_id(ref) for ref in _places(job).values()} - {""}


def _with_id(ref: DataRef, secret_id: str) -> DataRef:
    return replace(ref, params={**ref.params, SECRET_ID: secret_id})


def _same_place(before: DataRef | None, after: DataRef) -> bool:
    """Whether credentials of the one are meant for the other: the same kind, server, and user or bucket."""
    if before is None or before.descriptor != after.descriptor or SECRET_ID in map(snake, after.params):
        return False
    return _server(before) == _server(after)


def _server(ref: DataRef) -> tuple[Any, ...]:
    named = {snake(str(name)): value for name, value in ref.params.items()}
    url = str(named.get("url") or "")
    return (
        url.partition("//")[0],
        _authority(url),
        *(named.get(name) for name in ("username", "endpoint_url", "bucket_name")),
    )


_fits: tuple[type[PlaceSecrets], type[PlaceSecrets]] = (NoPlaceSecrets, SealedPlaceSecrets)
