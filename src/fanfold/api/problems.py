"""Errors to answers: the only place that knows HTTP status codes. Every error body has one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse

from fanfold import errors
from fanfold.wire.base import Detail, Problem


class Unauthenticated(errors.Refused):
    """No token, or one that is not valid (any more)."""

    code = "unauthenticated"


class Forbidden(errors.Refused):
    """The caller's role or key does not allow it."""

    code = "forbidden"


class TooLarge(errors.Refused):
    """The request is larger than allowed."""

    code = "too_large"


class TooMany(errors.Refused):
    """The caller asks too often; `retry_after_s` says when it may again."""

    code = "too_many"
    retryable = True

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


STATUS: Sequence[tuple[type[errors.FanfoldError], HTTPStatus]] = (
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.BadInput, HTTPStatus.BAD_REQUEST),
    (errors.NotAllowedNow, HTTPStatus.BAD_REQUEST),
    (errors.IllegalMove, HTTPStatus.BAD_REQUEST),
    (errors.Refused, HTTPStatus.BAD_REQUEST),
    (errors.OutOfSpace, HTTPStatus.INSUFFICIENT_STORAGE),
    (errors.LostRace, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.MissingPart, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.FanfoldError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""The first class that fits decides."""

GRPC: Mapping[int, int] = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 5,  # NOT_FOUND
    405: 12,  # UNIMPLEMENTED
    409: 6,  # ALREADY_EXISTS
    413: 11,  # OUT_OF_RANGE
    429: 8,  # RESOURCE_EXHAUSTED
    500: 13,  # INTERNAL
    503: 14,  # UNAVAILABLE
    507: 8,  # RESOURCE_EXHAUSTED
}


def status_of(error: errors.FanfoldError) -> HTTPStatus:
    """The HTTP status of one of our errors."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def answer(status: int, message: str, details: Sequence[Detail] = (), retry_after_s: float = 0.0) -> JSONResponse:
    """An error answer in the one shape."""
    body = Problem(code=GRPC.get(status, 2), message=message, details=list(details))
    headers = {"Retry-After": str(max(1, round(retry_after_s)))} if retry_after_s else None
    return JSONResponse(body.model_dump(by_alias=True), status, headers)


def answer_error(_request: Request, error: Exception) -> JSONResponse:
    """One of our errors as an answer; a defect of ours tells its code and nothing of its inside."""
    assert isinstance(error, errors.FanfoldError)
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer(status, "Something inside the server broke; its log has the request id.")
    problems = error.problems if isinstance(error, errors.BadInput) else ()
    details = [Detail(field=problem.field, reason=problem.reason) for problem in problems]
    wait_s = error.retry_after_s if isinstance(error, TooMany) else 1.0 if error.retryable else 0.0
    return answer(status, str(error), details, wait_s)
