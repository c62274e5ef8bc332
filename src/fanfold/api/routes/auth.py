"""/v1/auth: tokens, keys, the caller, the audit log. Accounts and users are in `administration`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from fanfold import __version__
from fanfold.api.answers import generic, page_of
from fanfold.api.auth import Developer, Reader, Submitter, token_of
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.problems import TooMany, Unauthenticated
from fanfold.api.routes import administration, secrets, storage
from fanfold.api.translate import page_json
from fanfold.api.translate_access import entry_json, key_json, user_json
from fanfold.errors import BadInput, Problem, Refused
from fanfold.jobs.access import Right
from fanfold.wire.auth import (
    AccessToken,
    AccessTokenRequest,
    ApiKeyAnswer,
    ApiKeyRequest,
    ApiKeysAnswer,
    AuditAnswer,
    Info,
    ProfilePatch,
    Skip,
    UserAnswer,
)
from fanfold.wire.base import Generic

router = APIRouter(tags=["auth"])
router.include_router(administration.router)
router.include_router(secrets.router)
router.include_router(storage.router)

With = Annotated[Services, Depends(services_of)]

NOT_KEPT = "no-store"


@router.get("/info", response_model=Info)
def info() -> Any:
    """Version and greeting; no token needed."""
    return {"version": __version__, "message": "Fanfold: fan out, fold in"}


@router.post("/access_token", response_model=AccessToken)
def access_token(
    request: Request,
    response: Response,
    services: With,
    body: Annotated[AccessTokenRequest, Depends(body_of(AccessTokenRequest))],
) -> Any:
    """A token for an API key; it lives an hour, and no longer than its key. Many wrong keys make an address wait."""
    if not body.api_key:
        raise BadInput("the request is not right", [Problem("apiKey", "is missing, or not a text")])
    address, limits = _address(request), services.access.wrong_keys
    wait_s = limits.wait_s(address)
    if wait_s > 0:
        raise TooMany(f"too many wrong API keys from this address; try again in {wait_s:.1f} s", wait_s)
    try:
        token, seconds, scope = services.access.sign_in(body.api_key)
    except Refused as err:
        raise Unauthenticated(str(err)) from err
    limits.give_back(address)
    response.headers["Cache-Control"] = NOT_KEPT
    return {"token": token, "expiresIn": str(seconds), "scope": scope}


@router.post("/signout", response_model=Generic)
def sign_out(request: Request, _caller: Reader, services: With) -> Any:
    """End the token that this request carries, at once."""
    services.access.sign_out(token_of(request))
    return generic(request)


@router.get("/skip", response_model=Skip)
def skip(_caller: Reader) -> Any:
    """A sign-in is never skipped here."""
    return {"skip": False, "redirectTo": ""}


@router.get("/api_keys", response_model=ApiKeysAnswer)
def list_keys(request: Request, caller: Reader, services: With) -> Any:
    """The caller's keys without their texts; administrators see those of `userId`."""
    return {"apiKeys": [key_json(key) for key in services.access.keys(caller, request.query_params.get("userId", ""))]}


@router.post("/api_keys", response_model=ApiKeyAnswer)
def create_key(
    request: Request,
    response: Response,
    caller: Developer,
    services: With,
    body: Annotated[ApiKeyRequest, Depends(body_of(ApiKeyRequest))],
) -> Any:
    """A new key, whose text is shown this once; administrators make keys for others too."""
    scopes = [Right(scope) for scope in body.scopes]
    request_id = request.state.request_id
    key, text = services.access.create_key(caller, body.name, body.validity, scopes, body.user_id, request_id)
    response.headers["Cache-Control"] = NOT_KEPT
    return {"apiKey": key_json(key), "key": text}


@router.post("/api_keys/{key_id}/revoke", response_model=Generic)
def revoke_key(key_id: str, request: Request, caller: Developer, services: With) -> Any:
    """Make a key and every token issued from it void, at once. Safe to repeat."""
    services.access.revoke_key(caller, key_id, request.state.request_id)
    return generic(request)


@router.get("/user", response_model=UserAnswer, name="get_profile")
def get_user(caller: Reader, services: With) -> Any:
    """The caller's own record."""
    return {"user": user_json(services.access.user(caller))}


@router.patch("/user", response_model=UserAnswer, name="patch_profile")
def patch_user(
    request: Request,
    caller: Submitter,
    services: With,
    body: Annotated[ProfilePatch, Depends(body_of(ProfilePatch))],
) -> Any:
    """Change one's own name or email."""
    given = body.user or body
    user = services.access.update_user(caller, given.name, given.email, request.state.request_id)
    return {"user": user_json(user)}


@router.get("/audit", response_model=AuditAnswer)
def audit(request: Request, caller: Developer, services: With) -> Any:
    """Who changed what, newest first: in the caller's account; administrators see all, or that of `accountId`."""
    limit, offset = page_of(request)
    account_id = request.query_params.get("accountId", "")
    entries, total = services.access.audit.page(caller, limit, offset, account_id)
    data = [entry_json(entry) for entry in entries]
    return {"pagination": page_json(total, offset, len(data)), "data": data}


def _address(request: Request) -> str:
    """Who sends, for counting wrong keys. An IPv6 client has a whole /64 to itself and counts as one."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host
