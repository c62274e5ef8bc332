"""`fanfold app`: make and try blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Make and try apps, partitioners and assemblers.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Make and try apps, partitioners and assemblers."""


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The block's name; also the folder's.")],
    kind: Annotated[Literal["app", "partitioner", "assembler"], typer.Option("--type", help="What it is.")] = "app",
    folder: Annotated[Path, typer.Option("--in", help="Where to put it.")] = Path("."),
) -> None:
    """Make a block that runs as it is."""
    from fanfold.cli.scaffold import make_block
    from fanfold.jobs.blocks import BlockType

    made = make_block(name, BlockType(kind), folder)
    print(f"made {made}; its program is {made / 'app' / 'main.py'}")
    if kind == "app":
        print(f"try it: fanfold run --app {made} --partitioner split-lines --assembler concat INPUT -o out")
