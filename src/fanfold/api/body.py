"""Request bodies, read tolerantly and safely: JSON whatever the content type says, empty means `{}`, both spellings.

What no JSON library may be given is refused before or while it reads: bodies over the limit, NaN, lone surrogates,
NUL characters, duplicate keys, nesting without end.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from fastapi import Request
from pydantic import ValidationError

from fanfold.api.problems import TooLarge
from fanfold.errors import BadInput, Problem
from fanfold.jobs.json_text import read_json
from fanfold.wire.base import Quiet, Shape

MAX_BODY_BYTES = 1024 * 1024

S = TypeVar("S", bound=Shape)


class BodyOf(Generic[S]):
    """A dependency that reads the request's body as `shape`; raises BadInput naming every problem."""

    def __init__(self, shape: type[S], limit: int = MAX_BODY_BYTES) -> None:
        self.shape = shape
        self._limit = limit

    async def __call__(self, request: Request) -> S:
        """Read it."""
        return parse(self.shape, await raw_body(request, self._limit))


def body_of(shape: type[S], limit: int = MAX_BODY_BYTES) -> BodyOf[S]:
    """Reads a body as `shape`, at most `limit` bytes."""
    return BodyOf(shape, limit)


async def raw_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The body, at most `limit` bytes; raises TooLarge."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"the request has {declared} bytes; at most {limit} are taken")
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > limit:
            raise TooLarge(f"the request has more than {limit} bytes")
    return bytes(data)


def parse(shape: type[S], data: bytes) -> S:
    """A body as `shape`; raises BadInput naming every problem."""
    value = read_json(data, "the request")
    if not isinstance(value, dict):
        raise BadInput("the request is not right", [Problem("", "expected a JSON object")])
    try:
        return shape.model_validate(value)
    except ValidationError as err:
        quiet = issubclass(shape, Quiet)
        raise BadInput("the request is not right", [_problem(item, quiet) for item in err.errors()]) from err


_PLACES = frozenset({"dataSource", "data_source", "dataDestination", "data_destination", "manifest"})
"""What stands there may hold credentials, whatever is wrong with it."""


def _problem(error: Any, quiet: bool) -> Problem:
    place = ".".join(str(part) for part in error["loc"])
    if quiet or _PLACES & set(error["loc"]):
        return Problem(place, error["msg"][:200])
    return Problem(place, f"{error['msg'][:200]}, found {error.get('input')!r:.100}")
