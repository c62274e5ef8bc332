"""Secrets and their grants as the public API shapes them; the secret part goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from fanfold.wire.base import Quiet, Shape
from fanfold.wire.jobs import Name

_AT = "2031-05-04T12:00:00.000Z"
_SECRET = {"id": "my-s3", "name": "results", "secretType": "aws", "accessKey": "AKIAIOSFODNN7EXAMPLE"}
_GRANT = {"block": "word-count@0.1", "revision": 3, "grantedAt": _AT}


def _like(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class SecretFields(Quiet):
    """A secret without its secret part. `accessKey` is not needed for the type `other`."""

    id: Annotated[str, Field(max_length=64)] = ""
    name: Name = ""
    secret_type: Annotated[str, Field(max_length=64)] = ""
    access_key: Annotated[str, Field(max_length=16 * 1024)] = ""
    expires_at: datetime | None = None


class SecretRequest(Quiet):
    """A new secret, or a new value of one. `secretType`: aws (or s3), gcp, storj, wasabi, backblaze, s3-compatible,
    other."""

    model_config = _like({"secret": _SECRET | {"expiresAt": None}, "secretKey": "..."})

    secret: SecretFields = SecretFields()
    secret_key: str = Field(default="", repr=False)

    @field_validator("secret_key", mode="before")
    @classmethod
    def _never_shown(cls, value: Any) -> str:
        """What is no text counts as missing: a complaint about its type would repeat it."""
        return value if isinstance(value, str) else ""


class SecretGrant(Shape):
    """A block that may have a secret, and at which revision."""

    model_config = _like(_GRANT)

    block: str
    revision: int
    granted_at: str


class AuthSecret(Shape):
    """A secret without its secret part. `expiresAt` null: for ever."""

    model_config = _like({**_SECRET, "createdAt": _AT, "updatedAt": _AT, "expiresAt": None, "grants": [_GRANT]})

    id: str
    name: str
    secret_type: str
    access_key: str
    created_at: str
    updated_at: str
    expires_at: str | None = None
    expired: bool = False
    grants: list[SecretGrant] = []


class SecretAnswer(Shape):
    """One secret."""

    secret: AuthSecret


class SecretsAnswer(Shape):
    """An account's secrets by id."""

    secrets: list[AuthSecret]


class GrantRequest(Shape):
    """Another account's block, imported; `type` where an assembler and a partitioner share the name."""

    model_config = _like({"block": "word-count@0.1"})

    block: Annotated[str, Field(max_length=200)] = ""
    type: Annotated[str, Field(pattern="^(|app|partitioner|assembler)$")] = ""


class GrantAnswer(Shape):
    """A grant."""

    grant: SecretGrant


class Rotation(Shape):
    """How many secrets were wrapped with a new master key."""

    count: int
