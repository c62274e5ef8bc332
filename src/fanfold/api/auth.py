"""Who calls, and whether they may: one dependency for every route, over one table of rights."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from fanfold.api.context import Services, services_of
from fanfold.api.problems import Forbidden, TooMany, Unauthenticated
from fanfold.jobs.access import Caller, Right
from fanfold.services.rate_limits import has_to_wait


def token_of(request: Request) -> str:
    """The token of a request: `Authorization: <token>` and `Authorization: Bearer <token>` are the same."""
    header = request.headers.get("authorization", "").strip()
    kind, _, rest = header.partition(" ")
    return rest.strip() if kind.lower() == "bearer" else header


class Needs:
    """A dependency that gives the caller, or refuses: 401 without a valid token, 403 without the right."""

    def __init__(self, right: Right) -> None:
        self.right = right

    async def __call__(self, request: Request, services: Annotated[Services, Depends(services_of)]) -> Caller:
        """Check, without a thread: callers are known for a while, so it seldom reads more than memory."""
        token = token_of(request)
        if not token:
            raise Unauthenticated("no token was sent; get one with POST /v1/auth/access_token")
        caller = services.access.caller_of(token)
        if caller is None:
            raise Unauthenticated("the token is not valid, or not any more; get a new one")
        wait_s, why = has_to_wait(services.limits, services.account_limits, caller)
        if wait_s > 0:
            raise TooMany(why, wait_s)
        if not caller.may(self.right):
            said = f"this needs the right '{self.right.value}'"
            raise Forbidden(f"{said}, which role '{caller.role.value}' or the key lacks")
        return caller


Reader = Annotated[Caller, Depends(Needs(Right.READ))]
Submitter = Annotated[Caller, Depends(Needs(Right.SUBMIT))]
Developer = Annotated[Caller, Depends(Needs(Right.DEVELOP))]
Administrator = Annotated[Caller, Depends(Needs(Right.ADMINISTER))]
