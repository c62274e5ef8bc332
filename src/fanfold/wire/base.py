"""What all public shapes share: camelCase names out, both spellings in, unknown fields let pass."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """A public JSON object, frozen. Requests may spell names in camelCase or snake_case, numbers as texts."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, coerce_numbers_to_str=False
    )


class Quiet(Shape):
    """A shape that takes in secrets: what is wrong with it is told without what was found."""


class Detail(Shape):
    """One thing that is wrong with a request."""

    field: str = ""
    reason: str = ""


class Problem(Shape):
    """The body of every error: a gRPC status code, one sentence a person can act on, and every problem found."""

    code: int
    message: str
    details: list[Detail] = []


class Generic(Shape):
    """The answer of a command."""

    ok: bool = True
    request_id: str = ""
    message: str = ""
    error: dict[str, Any] | None = None


Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=2**53)]


class Page(Shape):
    """Where a page lies in its listing."""

    total: int
    offset: int
    has_previous: bool
    has_next: bool


class Pagination(Shape):
    """Which page is wanted."""

    limit: Limit | None = None
    offset: Offset | None = None
