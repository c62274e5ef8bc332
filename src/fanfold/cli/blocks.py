"""`fanfold app`: make and try blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fanfold.cli.scaffold import make_block
from fanfold.jobs.blocks import BlockType

app_commands = typer.Typer(help="Make and try apps.", no_args_is_help=True)


@app_commands.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The block's name; also the folder's.")],
    kind: Annotated[BlockType, typer.Option("--type", help="What it is.")] = BlockType.APP,
    folder: Annotated[Path, typer.Option("--in", help="Where to put it.")] = Path("."),
) -> None:
    """Make a block that runs as it is."""
    made = make_block(name, kind, folder)
    print(f"made {made}; its program is {made / 'app' / 'main.py'}")
    if kind is BlockType.APP:
        print(f"try it: fanfold run --app {made} --partitioner split-lines --assembler concat INPUT -o out")
