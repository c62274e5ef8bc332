"""What a person does to a server's database and state folder while the server is stopped: move them, migrate them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fanfold import __version__
from fanfold.effects import Effects
from fanfold.errors import Conflict, MissingPart, NotFound
from fanfold.services.arriving import arrive
from fanfold.services.moving import Moved, export
from fanfold.settings import Settings
from fanfold.stores import migrate
from fanfold.stores.locking import locked
from fanfold.stores.tables import SqlTables
from fanfold.wiring import DATABASE

if TYPE_CHECKING:
    from fanfold.stores.database import Database

OWNER_ONLY = 0o600


@contextlib.contextmanager
def tended(settings: Settings, effects: Effects, *, alone: bool = True) -> Iterator[Database]:
    """The database of a server, as it is: nothing is made or migrated. `alone`: Conflict while a server has it;
    without, only look."""
    if not settings.database:
        from fanfold.stores.sqlite import SqliteDatabase

        database: Database = SqliteDatabase(settings.state / DATABASE, effects, migrate.leave_as_it_is)
        with contextlib.closing(database):
            yield database
        return
    with contextlib.ExitStack() as stack:
        if alone and settings.state.is_dir():
            hint = "Stop the servers that use it first."
            lock = locked(settings.state / "fanfold.lock", f"the state folder '{settings.state}'", hint)
            stack.callback(os.close, lock)
        yield stack.enter_context(contextlib.closing(_postgres(settings.database, effects, alone=alone)))


def _postgres(url: str, effects: Effects, *, alone: bool) -> Database:
    try:
        from fanfold.stores.postgres import Hold, PostgresDatabase
    except ModuleNotFoundError as err:
        hint = "Type: pip install 'fanfold[postgres]'"
        raise MissingPart(f"the database needs the library '{err.name}'.", hint=hint) from err
    return PostgresDatabase(url, effects, migrate.leave_as_it_is, Hold.ALONE if alone else Hold.NONE)


def check_there(settings: Settings) -> None:
    """NotFound where a state folder has no database that could be looked at: to open one would make it."""
    if not settings.database and not (settings.state / DATABASE).is_file():
        hint = "Name the folder that `fanfold up` was given (--state), or a database (--database)."
        raise NotFound(f"'{settings.state}' has no {DATABASE}.", hint=hint)


def migrated(settings: Settings) -> tuple[str, str, list[str]]:
    """Bring the tables to this release; from which schema, "" for none, to which, and the indexes that were mended."""
    effects = Effects()
    effects.make_folder(settings.state)
    with tended(settings, effects, alone=not settings.database) as database:
        return database.migrated()


def exported(settings: Settings, out: IO[bytes]) -> Moved:
    """Write everything of a stopped server to `out`."""
    check_there(settings)
    with tended(settings, Effects()) as database:
        return export(SqlTables(database), settings.state, __version__, out)


def imported(settings: Settings, source: IO[bytes]) -> Moved:
    """Make a server of what `exported` wrote, in an empty database and an empty state folder."""
    effects = Effects()
    effects.make_folder(settings.state)
    with tended(settings, effects) as database:
        return arrive(SqlTables(database), settings.state, effects, source)


@contextlib.contextmanager
def new_export(path: Path, effects: Effects) -> Iterator[IO[bytes]]:
    """A file for an export, readable by its owner alone since it holds the server's keys; whole or not there."""
    if os.path.lexists(path):
        raise Conflict(f"'{path}' exists already.", hint="Name another file, or remove it.")
    part = path.with_name(f".{path.name}.part")
    effects.remove_file(part)
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, OWNER_ONLY)) as file:
            yield file
            file.flush()
            effects.fsync(file.fileno(), path.name)
        effects.rename(part, path)
        effects.fsync_folder(path.parent)
    except BaseException:
        effects.remove_file(part)
        raise
