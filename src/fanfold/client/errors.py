"""What can go wrong for a client, in one tree below `FanfoldError`.

ClientError
├── ApiError              the server answered no; carries status, details, request id
│   ├── BadRequest        malformed, impossible, or not allowed in the job's state; `details` names every problem
│   ├── Unauthenticated   the API key or token is not valid (any more)
│   ├── Forbidden         the role or the key does not allow it
│   ├── NotFound          there is no such thing, or it is somebody else's
│   ├── Conflict          it exists, has moved on, or the key of an earlier, different request was used again
│   ├── TooLarge          more than the server takes
│   ├── TooMany           asked too often, for longer than the client was willing to wait
│   ├── ServerUnavailable the server cannot do it now, for longer than the client was willing to wait
│   └── ServerBroke       a defect of the server; its log has the request id
├── NoAnswer              nobody answers at the URL, or the connection broke
├── BadAnswer             what answers at the URL is no Fanfold server, or a download was not what it should be
├── NotSignedIn           no URL or key was given and none is stored
├── JobFailed             a job that was waited for has failed
└── TookTooLong           a job has not ended in the time given
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fanfold.errors import FanfoldError


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that is wrong with a request: a dotted path (may be empty) and why."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class ClientError(FanfoldError):
    """The root; never raised itself."""


class ApiError(ClientError):
    """The server answered no. `grpc_code` is the number in its body, `code` the word that never changes."""

    code = "refused"

    def __init__(self, status: int, message: str, details: Sequence[Detail], request_id: str, grpc_code: int) -> None:
        told = "; ".join(str(detail) for detail in details if str(detail) not in message)
        super().__init__(f"{message}: {told}" if told else message)
        self.status = status
        self.grpc_code = grpc_code
        self.details = tuple(details)
        self.request_id = request_id


class BadRequest(ApiError):
    """The request is malformed or impossible, or the job's state does not allow it."""

    code = "bad_input"


class Unauthenticated(ApiError):
    """The API key or token is not valid, or not any more."""

    code = "unauthenticated"


class Forbidden(ApiError):
    """The caller's role or key does not allow it."""

    code = "forbidden"


class NotFound(ApiError):
    """There is no such thing, or it is somebody else's."""

    code = "not_found"


class Conflict(ApiError):
    """It exists or has moved on, or another request used the same `Idempotency-Key`."""

    code = "conflict"


class TooLarge(ApiError):
    """More than the server takes."""

    code = "too_large"


class TooMany(ApiError):
    """Asked too often, for longer than the client was willing to wait."""

    code = "too_many"
    retryable = True


class ServerUnavailable(ApiError):
    """The server cannot do it now, for longer than the client was willing to wait."""

    code = "unavailable"
    retryable = True


class ServerBroke(ApiError):
    """A defect of the server; its log has the request id."""

    code = "internal"


class NoAnswer(ClientError):
    """Nobody answers at the URL, or the connection broke."""

    code = "unavailable"
    retryable = True


class BadAnswer(ClientError):
    """What answers at the URL is no Fanfold server, or a download is not what it should be."""

    code = "bad_answer"


class NotSignedIn(ClientError):
    """No URL or key was given and none is stored."""

    code = "not_signed_in"


class JobFailed(ClientError):
    """A job that was waited for has failed."""

    code = "job_failed"

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"job {job_id} failed: {reason}")
        self.job_id = job_id
        self.reason = reason


class TookTooLong(ClientError):
    """A job has not ended in the time given; it goes on."""

    code = "took_too_long"
    retryable = True


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: TooMany,
    502: ServerUnavailable,
    503: ServerUnavailable,
    504: ServerUnavailable,
    507: ServerUnavailable,
}


def class_of(status: int) -> type[ApiError]:
    """The error class of an HTTP status."""
    return _BY_STATUS.get(status, ServerBroke if status >= 500 else ApiError)
