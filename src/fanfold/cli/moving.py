"""`fanfold export` and `fanfold import`: a whole server to another database, another folder, another machine."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fanfold.services.moving import Moved
    from fanfold.settings import Settings

PIPE = "-"
export_app = typer.Typer(add_completion=False)
import_app = typer.Typer(add_completion=False)

State = Annotated[Path | None, typer.Option(help="State folder of the server.")]
Database = Annotated[
    str | None, typer.Option(help="postgresql://user:password@host/name; default: SQLite in the state folder.")
]
Config = Annotated[Path | None, typer.Option(help="Settings file (TOML); options and FANFOLD_* win.")]


@export_app.command("export")
def export(
    file: Annotated[str, typer.Argument(help="File to write, which must not exist, or - for standard output.")],
    state: State = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Write everything of a stopped server to one file: every row of its database, every file of its state folder.

    `fanfold import` makes a server of it, with whichever database. The file holds the server's keys: keep it as
    you keep them."""
    from fanfold.effects import Effects
    from fanfold.server.tending import exported, new_export

    settings = settings_of(state, database, config)
    if file == PIPE:
        _refuse_terminal(sys.stdout.buffer, "Name a file, or a program after |.")
        _tell("exported", exported(settings, sys.stdout.buffer))
        return
    with new_export(Path(file), Effects()) as out:
        moved = exported(settings, out)
    _tell("exported", moved)


@import_app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="What `fanfold export` wrote, or - for standard input.")],
    state: State = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Make a server of an export, in an empty database and an empty state folder.

    Everything is read again and compared with the sums of the export before it counts; a failure, or a kill, leaves the
    target as empty as it was, at the latest when the import is typed again."""
    from fanfold.errors import NotFound
    from fanfold.server.tending import imported

    settings = settings_of(state, database, config)
    if file == PIPE:
        _refuse_terminal(sys.stdin.buffer, "Name a file, or a program before |.")
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if file == PIPE else open(file, "rb") as source:
            moved = imported(settings, source)
    except (FileNotFoundError, IsADirectoryError) as err:
        raise NotFound(f"'{file}' cannot be read: {err.strerror}") from err
    _tell("imported", moved)


def settings_of(state: Path | None, database: str | None, config: Path | None) -> Settings:
    """The settings that a server would start with."""
    from fanfold.settings import Settings

    return Settings.load(config, os.environ, state=state.absolute() if state else None, database=database)


def _refuse_terminal(stream: IO[bytes], hint: str) -> None:
    from fanfold.errors import BadInput

    if stream.isatty():
        raise BadInput("an export is nothing for a terminal.", hint=hint)


def _tell(done: str, moved: Moved) -> None:
    from fanfold.cli.connection import speaking
    from fanfold.cli.ending import size_of

    rows = sum(tally.count for tally in moved.rows.values())
    said = f"{done} {rows:,} rows of {len(moved.rows)} tables and {moved.files.count:,} files and folders"
    speaking().print(f"{said} ({size_of(moved.size_bytes)})")
    for name in moved.passed_over:
        speaking().print(f"passed over, since it is no file: {name!r}", markup=False)
