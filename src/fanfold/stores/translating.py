"""psycopg's errors as ours, for connections that SQLAlchemy does not know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from fanfold.errors import Unavailable


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Whatever goes wrong with a connection to the database of this name is Unavailable."""
    try:
        yield
    except psycopg.Error as err:
        raise Unavailable(f"the database '{name}' does not answer: {err}") from err
