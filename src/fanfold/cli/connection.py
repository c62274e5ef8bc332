"""The server that commands speak to, and how its refusals are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fanfold.errors import FanfoldError

if TYPE_CHECKING:
    from rich.console import Console

    from fanfold.client import Client

RETRY_S = 20.0
"""How long a person waits for a busy or absent server."""


@contextmanager
def connected(as_json: bool = False) -> Iterator[Client]:
    """A client of the server that FANFOLD_URL or `fanfold login` names; with --json a refusal is told as JSON too."""
    from fanfold.client import Client

    try:
        with Client(retry_s=RETRY_S) as client:
            yield client
    except FanfoldError as err:
        if as_json:
            print(json.dumps({"error": {"code": err.code, "message": str(err)}}))
        raise


def speaking() -> Console:
    """Where people are told things: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show that something goes on, where there is somebody to see it."""
    console = speaking()
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def certain(question: str, yes: bool) -> bool:
    """Ask before something is lost for good; a script, which nobody can ask, has said what it wants."""
    if yes or not sys.stdin.isatty():
        return True
    import typer

    return typer.confirm(question)
