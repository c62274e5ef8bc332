"""`fanfold doctor`: what is here and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command("doctor")
def doctor(
    state: Annotated[
        Path | None, typer.Option(help="A state folder, to be checked whole; its server must not be running.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at this machine: what Fanfold needs, what is missing, and what to do about it.

    Ends with 3 when something that is needed is not there, or when a state folder has broken invariants.
    """
    from fanfold.cli.diagnosis import State, diagnosed
    from fanfold.cli.exits import Exit
    from fanfold.cli.output import print_json, print_table

    found = diagnosed(state.absolute() if state else None)
    if json:
        print_json([finding.as_dict() for finding in found])
    else:
        print_table(
            ("", "what", "found", "mend"),
            [(finding.state.value, finding.what, finding.found, finding.mend) for finding in found],
        )
    raise typer.Exit(int(Exit.UNAVAILABLE if any(finding.state is State.BROKEN for finding in found) else Exit.OK))
