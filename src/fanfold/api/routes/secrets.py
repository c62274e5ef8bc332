"""/v1/auth/secrets: stored, listed without their secret part, granted to imported blocks, wrapped anew."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from fanfold.api.answers import generic
from fanfold.api.auth import Administrator, Developer, Reader
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.translate import utc
from fanfold.api.translate_access import grant_json, secret_json
from fanfold.errors import BadInput, Problem
from fanfold.jobs.access import Caller
from fanfold.jobs.blocks import BlockType
from fanfold.ports.blocks import BlockRecord
from fanfold.services.secrets import secret_type as type_of
from fanfold.wire.base import Generic
from fanfold.wire.secrets import GrantAnswer, GrantRequest, Rotation, SecretAnswer, SecretRequest, SecretsAnswer

router = APIRouter()

With = Annotated[Services, Depends(services_of)]
Granted = Annotated[GrantRequest, Depends(body_of(GrantRequest))]


@router.post("/secrets", response_model=SecretAnswer)
def put_secret(
    request: Request,
    caller: Developer,
    services: With,
    body: Annotated[SecretRequest, Depends(body_of(SecretRequest))],
) -> Any:
    """Store a secret, or a new value of one of the same type, which keeps its grants."""
    given = body.secret
    record = services.secrets.put(
        caller,
        given.id,
        type_of(given.secret_type),
        name=given.name,
        access_key=given.access_key,
        secret_key=body.secret_key,
        expires_at=None if given.expires_at is None else utc(given.expires_at),
        request_id=request.state.request_id,
    )
    return {"secret": secret_json(record, services.secrets.grants(caller, record.id), services.clock.now())}


@router.get("/secrets", response_model=SecretsAnswer)
def list_secrets(caller: Reader, services: With) -> Any:
    """The account's secrets by id, expired ones too, each with its grants; never the secret part."""
    now = services.clock.now()
    return {"secrets": [secret_json(record, grants, now) for record, grants in services.secrets.listed(caller)]}


@router.delete("/secrets/{secret_type}/{secret_id}", response_model=Generic)
def delete_secret(secret_type: str, secret_id: str, request: Request, caller: Developer, services: With) -> Any:
    """Delete a secret with its grants. Programs that run keep what they were given."""
    services.secrets.delete(caller, type_of(secret_type), secret_id, request.state.request_id)
    return generic(request)


@router.post("/secrets/{secret_type}/{secret_id}/grants", response_model=GrantAnswer)
def grant_secret(
    secret_type: str, secret_id: str, request: Request, caller: Developer, services: With, body: Granted
) -> Any:
    """Let an imported block have a secret, as it is now: a further revision needs a further grant."""
    block = _block(services, caller, body)
    grant = services.secrets.grant(caller, type_of(secret_type), secret_id, block, request.state.request_id)
    return {"grant": grant_json(grant)}


@router.delete("/secrets/{secret_type}/{secret_id}/grants", response_model=Generic)
def revoke_grant(
    secret_type: str, secret_id: str, request: Request, caller: Developer, services: With, body: Granted
) -> Any:
    """Take a grant back. Safe to repeat."""
    block = _block(services, caller, body)
    services.secrets.revoke(caller, type_of(secret_type), secret_id, block, request.state.request_id)
    return generic(request)


@router.post("/secrets/rotate", response_model=Rotation)
def rotate_secrets(request: Request, caller: Administrator, services: With) -> Any:
    """Wrap every secret of the server with a new master key and forget the old one. Safe to repeat."""
    return {"count": services.secrets.rotate(caller, request.state.request_id)}


def _block(services: Services, caller: Caller, body: GrantRequest) -> BlockRecord:
    if not body.block:
        raise BadInput("the request is not right", [Problem("block", "is missing: the tag of an imported block")])
    types = [BlockType(body.type)] if body.type else list(BlockType)
    return services.blocks.get(caller.account_id, types, body.block)
