"""`fanfold engine`: partitioners and assemblers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fanfold.cli.server_blocks import add_server_commands

app = typer.Typer(help="Make partitioners and assemblers; use those of a server.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make partitioners and assemblers; use those of a server."""


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The block's name; also the folder's.")],
    kind: Annotated[Literal["partitioner", "assembler"], typer.Option("--type", help="What it is.")] = "partitioner",
    folder: Annotated[Path, typer.Option("--in", help="Where to put it.")] = Path("."),
) -> None:
    """Make a block that runs as it is."""
    from fanfold.cli.blocks import new as made

    made(name, kind, folder)


add_server_commands(app, "engine")
