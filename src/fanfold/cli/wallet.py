"""`fanfold wallet`: the account's money."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold.cli.connection import connected
from fanfold.cli.output import print_json, print_record

app = typer.Typer(help="The account's balance.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """The account's balance."""


@app.command("balance")
def balance(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the balance in chips."""
    with connected(json) as client:
        found = client.balance()
    if json:
        print_json(found)
    else:
        print_record(found)
