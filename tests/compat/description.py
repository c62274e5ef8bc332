"""The API's own description, read without a server: what tables of tests are generated from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from fanfold.api import docs
from fanfold.api.app import make_app
from fanfold.api.context import Services
from fanfold.api.hosts import HostGuard
from fanfold.api.metrics import Metrics


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    said: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@cache
def described() -> dict[str, Any]:
    """What /openapi.json answers. No route is called, so the application needs nothing that routes do."""
    return docs.described(make_app(cast(Services, None), cast(Metrics, None), cast(HostGuard, None)))


def operations() -> Iterator[Operation]:
    """Every operation that is described."""
    for path, item in described()["paths"].items():
        for method, said in item.items():
            yield Operation(method.upper(), path, said)
