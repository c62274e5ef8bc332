"""The calls for secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.client.access_calls import AUTH
from fanfold.client.answers import reading
from fanfold.client.calls import part
from fanfold.client.exchange import Call
from fanfold.client.fields import body_of
from fanfold.wire.base import Generic
from fanfold.wire.secrets import GrantAnswer, Rotation, SecretAnswer, SecretsAnswer

SECRETS = f"{AUTH}/secrets"


def list_secrets() -> Call[SecretsAnswer]:
    """GET /secrets."""
    return Call("GET", SECRETS, reading(SecretsAnswer))


def put_secret(fields: Mapping[str, Any], secret_key: str) -> Call[SecretAnswer]:
    """POST /secrets."""
    body = {"secret": body_of(fields), "secretKey": secret_key}
    return Call("POST", SECRETS, reading(SecretAnswer), body=body)


def delete_secret(secret_type: str, secret_id: str) -> Call[Generic]:
    """DELETE /secrets/{secretType}/{id}."""
    return Call("DELETE", _path(secret_type, secret_id), reading(Generic))


def grant_secret(secret_type: str, secret_id: str, block: str, type_: str) -> Call[GrantAnswer]:
    """POST /secrets/{secretType}/{id}/grants."""
    body = {"block": block, "type": type_}
    return Call("POST", f"{_path(secret_type, secret_id)}/grants", reading(GrantAnswer), body=body)


def revoke_grant(secret_type: str, secret_id: str, block: str, type_: str) -> Call[Generic]:
    """DELETE /secrets/{secretType}/{id}/grants."""
    body = {"block": block, "type": type_}
    return Call("DELETE", f"{_path(secret_type, secret_id)}/grants", reading(Generic), body=body)


def rotate_secrets() -> Call[Rotation]:
    """POST /secrets/rotate."""
    return Call("POST", f"{SECRETS}/rotate", reading(Rotation))


def _path(secret_type: str, secret_id: str) -> str:
    return f"{SECRETS}/{part(secret_type)}/{part(secret_id)}"
