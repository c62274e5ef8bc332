"""The calls for keys and for who one is."""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.client.answers import reading
from fanfold.client.calls import part
from fanfold.client.exchange import Call
from fanfold.wire.auth import ApiKeyAnswer, ApiKeysAnswer, UserAnswer
from fanfold.wire.base import Generic

AUTH = "/v1/auth"


def list_keys() -> Call[ApiKeysAnswer]:
    """GET /api_keys."""
    return Call("GET", f"{AUTH}/api_keys", reading(ApiKeysAnswer))


def create_key(name: str, validity_s: float | None, scopes: Sequence[str]) -> Call[ApiKeyAnswer]:
    """POST /api_keys: not repeated when nobody knows whether it arrived."""
    body = {"name": name, "scopes": list(scopes)} | ({} if validity_s is None else {"validity": validity_s})
    return Call("POST", f"{AUTH}/api_keys", reading(ApiKeyAnswer), body=body, safe=False)


def revoke_key(key_id: str) -> Call[Generic]:
    """POST /api_keys/{id}/revoke."""
    return Call("POST", f"{AUTH}/api_keys/{part(key_id)}/revoke", reading(Generic))


def user() -> Call[UserAnswer]:
    """GET /user."""
    return Call("GET", f"{AUTH}/user", reading(UserAnswer))


def sign_out() -> Call[Generic]:
    """POST /signout."""
    return Call("POST", f"{AUTH}/signout", reading(Generic))
