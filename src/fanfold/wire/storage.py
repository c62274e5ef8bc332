"""Shapes of the storage of a server."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fanfold.wire.base import Shape


class CollectRequest(Shape):
    """What to do with garbage: remove it, or with `dryRun` only tell it."""

    dry_run: bool = False


class Garbage(Shape):
    """Something in the storage that nobody wants: `kind` is "block", "upload" or "environment"."""

    kind: str
    name: str
    size_bytes: int


class CollectAnswer(Shape):
    """What was removed, or would be: how much of it, and the first thousand objects."""

    dry_run: bool
    count: int
    size_bytes: int
    garbage: Annotated[list[Garbage], Field(max_length=1000)]
