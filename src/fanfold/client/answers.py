"""Reading answers: JSON into the public shapes, errors into the tree."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from fanfold.client.errors import ApiError, BadAnswer, Detail, class_of
from fanfold.wire.base import Shape

if TYPE_CHECKING:
    from fanfold.client.exchange import Answer

S = TypeVar("S", bound=Shape)


def reading(shape: type[S]) -> Callable[[Answer], S]:
    """A reader of answers that have this shape."""

    def read(answer: Answer) -> S:
        try:
            return shape.model_validate_json(answer.body)
        except ValueError as err:
            raise _not_ours(answer, f"expected {shape.__name__}") from err

    return read


def object_in(answer: Answer) -> dict[str, Any]:
    """An answer that is a JSON object."""
    try:
        found = json.loads(answer.body)
    except ValueError as err:
        raise _not_ours(answer, "expected JSON") from err
    if not isinstance(found, dict):
        raise _not_ours(answer, "expected a JSON object")
    return found


def text_in(answer: Answer) -> str:
    """An answer that is plain text."""
    return answer.body.decode("utf-8", "replace")


def _not_ours(answer: Answer, expected: str) -> BadAnswer:
    found = answer.body[:80].decode("utf-8", "replace")
    return BadAnswer(f"this is not the answer of a Fanfold server: {expected}, found {found!r}.", hint="Check the URL.")


def error_of(answer: Answer) -> ApiError:
    """The error that an answer tells; also for proxies, whose errors have no shape of ours."""
    try:
        body = object_in(answer)
    except BadAnswer:
        body = {}
    message = str(body.get("message") or f"the server answered {answer.status}")
    listed = body.get("details")
    details = [
        Detail(str(item.get("field", "")), str(item.get("reason", "")))
        for item in (listed if isinstance(listed, list) else [])
        if isinstance(item, dict)
    ]
    request_id = answer.headers.get("x-request-id", "")
    code = body.get("code")
    grpc_code = code if isinstance(code, int) else 2  # UNKNOWN
    return class_of(answer.status)(answer.status, message, details, request_id, grpc_code)
