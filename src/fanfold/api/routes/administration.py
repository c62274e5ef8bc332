"""/v1/auth/accounts and /v1/auth/users: for administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from fanfold.api.answers import page_of
from fanfold.api.auth import Administrator
from fanfold.api.body import body_of
from fanfold.api.context import Services, services_of
from fanfold.api.translate import page_json
from fanfold.api.translate_access import account_json, user_json
from fanfold.jobs.access import UserRole
from fanfold.wire.auth import (
    AccountAnswer,
    AccountPatch,
    AccountRequest,
    AccountsAnswer,
    UserAnswer,
    UserPatch,
    UserRequest,
    UsersAnswer,
)

router = APIRouter()

With = Annotated[Services, Depends(services_of)]


@router.get("/accounts", response_model=AccountsAnswer)
def list_accounts(request: Request, _caller: Administrator, services: With) -> Any:
    """A page of accounts, oldest first."""
    limit, offset = page_of(request)
    accounts, total = services.access.administration.accounts(limit, offset)
    data = [account_json(account) for account in accounts]
    return {"pagination": page_json(total, offset, len(data)), "data": data}


@router.post("/accounts", response_model=AccountAnswer)
def create_account(
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[AccountRequest, Depends(body_of(AccountRequest))],
) -> Any:
    """A new account."""
    account = services.access.administration.create_account(
        caller, body.name, body.id, quotas=body.quotas, request_id=request.state.request_id
    )
    return {"account": account_json(account)}


@router.get("/accounts/{account_id}", response_model=AccountAnswer)
def get_account(account_id: str, _caller: Administrator, services: With) -> Any:
    """One account."""
    return {"account": account_json(services.access.administration.account(account_id))}


@router.patch("/accounts/{account_id}", response_model=AccountAnswer)
def patch_account(
    account_id: str,
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[AccountPatch, Depends(body_of(AccountPatch))],
) -> Any:
    """Change an account; disabled, it keeps what it owns, but its users cannot get in. At once."""
    account = services.access.administration.change_account(
        caller,
        account_id,
        name=body.name,
        quotas=body.quotas,
        disabled=body.disabled,
        request_id=request.state.request_id,
    )
    return {"account": account_json(account)}


@router.get("/users", response_model=UsersAnswer)
def list_users(request: Request, _caller: Administrator, services: With) -> Any:
    """A page of users, oldest first; of one account with `accountId`."""
    limit, offset = page_of(request)
    account_id = request.query_params.get("accountId", "")
    users, total = services.access.administration.users(account_id, limit, offset)
    data = [user_json(user) for user in users]
    return {"pagination": page_json(total, offset, len(data)), "data": data}


@router.post("/users", response_model=UserAnswer)
def create_user(
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[UserRequest, Depends(body_of(UserRequest))],
) -> Any:
    """A new user of an account; make a key for them with POST /v1/auth/api_keys and their `userId`."""
    role = UserRole(body.role)
    user = services.access.administration.create_user(
        caller, body.account_id, body.name, body.email, role, request.state.request_id
    )
    return {"user": user_json(user)}


@router.get("/users/{user_id}", response_model=UserAnswer)
def get_user(user_id: str, _caller: Administrator, services: With) -> Any:
    """One user."""
    return {"user": user_json(services.access.administration.user(user_id))}


@router.patch("/users/{user_id}", response_model=UserAnswer)
def patch_user(
    user_id: str,
    request: Request,
    caller: Administrator,
    services: With,
    body: Annotated[UserPatch, Depends(body_of(UserPatch))],
) -> Any:
    """Change a user's name, email or role, or disable them. At once, for tokens given out too."""
    user = services.access.administration.change_user(
        caller,
        user_id,
        name=body.name,
        email=body.email,
        role=UserRole(body.role) if body.role else None,
        disabled=body.disabled,
        request_id=request.state.request_id,
    )
    return {"user": user_json(user)}
