"""Keys, tokens, users, accounts and the audit log as the public API shapes them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from fanfold.wire.base import Page, Shape
from fanfold.wire.jobs import Name

Email = Annotated[str, Field(max_length=320, pattern=r"^$|^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
Identifier = Annotated[str, Field(max_length=100)]
Quota = Annotated[float, Field(ge=0, le=10**15, allow_inf_nan=False)]
Quotas = Annotated[dict[Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]{0,63}$")], Quota], Field(max_length=50)]

_AT = "2031-05-04T12:00:00.000Z"
_USER = {"id": "4f0c7a1e", "accountId": "default", "name": "ann", "email": "ann@example.org", "role": "developer"}
_KEY = {"id": "b7d2", "name": "nightly", "issuedAt": _AT, "userId": "4f0c7a1e", "fingerprint": "611b521ae962"}


def _like(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class AuthScope(StrEnum):
    """A right that a key may carry."""

    READ = "read"
    SUBMIT = "submit"
    DEVELOP = "develop"
    ADMINISTER = "administer"


class AuthRole(StrEnum):
    """What a user is; each role has all rights of those before it."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    DEVELOPER = "developer"
    ADMINISTRATOR = "administrator"


class AccessTokenRequest(Shape):
    """An API key, to be exchanged for a token."""

    model_config = _like({"apiKey": "ff_..."})

    api_key: str = Field(default="", repr=False)

    @field_validator("api_key", mode="before")
    @classmethod
    def _never_shown(cls, value: Any) -> str:
        """What is no text counts as missing: a complaint about its type would repeat it, and it may hold a key."""
        return value if isinstance(value, str) else ""


class AccessToken(Shape):
    """A token, the seconds it lives (a whole number in a text), the rights it carries, parted by spaces."""

    model_config = _like({"token": "fft_...", "expiresIn": "3600", "scope": "read submit"})

    token: str
    expires_in: str
    scope: str


class AuthApiKey(Shape):
    """A key without its text. `expiresAt` null: for ever; `scopes` empty: whatever its user may."""

    model_config = _like({**_KEY, "expiresAt": None, "usedAt": None, "revoked": False, "scopes": ["read", "submit"]})

    id: str
    name: str
    issued_at: str
    expires_at: str | None = None
    used_at: str | None = None
    user_id: str
    revoked: bool
    fingerprint: str
    scopes: list[AuthScope]


class ApiKeysAnswer(Shape):
    """A user's keys, newest first, void ones too."""

    api_keys: list[AuthApiKey]


class ApiKeyRequest(Shape):
    """A wish for a key. `validity`: seconds, 0 for ever, a year where none is given; `userId`: for administrators."""

    model_config = _like({"name": "nightly", "validity": 2592000, "scopes": ["submit"]})

    name: Name = ""
    validity: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    scopes: Annotated[list[AuthScope], Field(max_length=len(AuthScope))] = []
    user_id: Identifier = ""


class ApiKeyAnswer(Shape):
    """A new key; `key` is its text, shown this once."""

    model_config = _like({"apiKey": {**_KEY, "revoked": False, "scopes": []}, "key": "ff_..."})

    api_key: AuthApiKey
    key: str


class AuthUser(Shape):
    """A user of an account."""

    model_config = _like({**_USER, "createdAt": _AT, "disabledAt": None})

    id: str
    account_id: str
    name: str
    email: str
    role: AuthRole
    created_at: str
    disabled_at: str | None = None


class UserAnswer(Shape):
    """One user."""

    user: AuthUser


class UsersAnswer(Shape):
    """A page of users."""

    pagination: Page
    data: list[AuthUser]


class ProfileFields(Shape):
    """What users may change of themselves."""

    name: Name | None = None
    email: Email | None = None


class ProfilePatch(ProfileFields):
    """New values, bare or under `user`; what is left out stays."""

    model_config = _like({"name": "Ann", "email": "ann@example.org"})

    user: ProfileFields | None = None


class UserRequest(Shape):
    """A new user."""

    model_config = _like({"accountId": "team-a", "name": "ann", "email": "ann@example.org", "role": "developer"})

    account_id: Identifier
    name: Annotated[Name, Field(min_length=1)]
    email: Email = ""
    role: AuthRole


class UserPatch(Shape):
    """New values of a user; what is left out stays."""

    model_config = _like({"role": "submitter"}, {"disabled": True})

    name: Annotated[Name, Field(min_length=1)] | None = None
    email: Email | None = None
    role: AuthRole | None = None
    disabled: bool | None = None


class AuthAccount(Shape):
    """An account; `quotas` by name."""

    model_config = _like({"id": "team-a", "name": "Team A", "createdAt": _AT, "disabledAt": None, "quotas": {}})

    id: str
    name: str
    created_at: str
    disabled_at: str | None = None
    quotas: dict[str, float]


class AccountAnswer(Shape):
    """One account."""

    account: AuthAccount


class AccountsAnswer(Shape):
    """A page of accounts."""

    pagination: Page
    data: list[AuthAccount]


class AccountRequest(Shape):
    """A new account; without `id` it is given one."""

    model_config = _like({"id": "team-a", "name": "Team A"})

    id: Identifier = ""
    name: Annotated[Name, Field(min_length=1)]
    quotas: Quotas = {}


class AccountPatch(Shape):
    """New values of an account; what is left out stays, `quotas` are replaced whole."""

    model_config = _like({"disabled": True})

    name: Annotated[Name, Field(min_length=1)] | None = None
    quotas: Quotas | None = None
    disabled: bool | None = None


class AuthAuditEntry(Shape):
    """Who (account, user) changed what (action, object), when, by which request."""

    model_config = _like(
        {
            "seq": 7,
            "at": _AT,
            "accountId": "default",
            "userId": "4f0c7a1e",
            "requestId": "9f1c",
            "action": "key.revoke",
            "object": "b7d2",
            "data": {"fingerprint": "611b521ae962"},
        }
    )

    seq: int
    at: str
    account_id: str
    user_id: str
    request_id: str
    action: str
    object: str
    data: dict[str, Any]


class AuditAnswer(Shape):
    """A page of the audit log, newest first."""

    pagination: Page
    data: list[AuthAuditEntry]


class Skip(Shape):
    """Whether a sign-in page may be skipped, and where to go then."""

    skip: bool = False
    redirect_to: str = ""


class Info(Shape):
    """Version and greeting."""

    version: str
    message: str
