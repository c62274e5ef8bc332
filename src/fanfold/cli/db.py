"""`fanfold db`: the database of a server, checked and migrated."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold.cli.moving import Config, Database, State, settings_of

app = typer.Typer(help="The database of a server: check it, migrate it.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """The database of a server: check it, migrate it."""


@app.command("check")
def check(
    state: State = None,
    database: Database = None,
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at a database, its files and its keys, say what is not right and what helps. Changes nothing.

    PostgreSQL may be in use meanwhile; then files are not looked at. Ends with 3 when something is not right."""
    from fanfold.cli.database_findings import found_in
    from fanfold.cli.diagnosis import State as Standing
    from fanfold.cli.exits import Exit
    from fanfold.cli.output import print_json, print_table

    found = found_in(settings_of(state, database, config))
    if json:
        print_json([finding.as_dict() for finding in found])
    else:
        rows = [(finding.state.value, finding.what, finding.found, finding.mend) for finding in found]
        print_table(("", "what", "found", "mend"), rows)
    raise typer.Exit(int(Exit.UNAVAILABLE if any(one.state is Standing.BROKEN for one in found) else Exit.OK))


@app.command("migrate")
def migrate(state: State = None, database: Database = None, config: Config = None) -> None:
    """Bring the tables of a database to this release, in one transaction; a server does the same at its start.

    There is no way back but a copy: make one first. An index that somebody dropped is made again."""
    from fanfold.cli.connection import speaking
    from fanfold.server.tending import migrated

    before, after, mended = migrated(settings_of(state, database, config))
    if before == after:
        said = f"the database has this release's schema already: {after}"
    else:
        said = f"migrated from {before} to {after}" if before else f"made the tables of schema {after}"
    speaking().print(said + (f"; made the indexes {', '.join(mended)} again" if mended else ""))
