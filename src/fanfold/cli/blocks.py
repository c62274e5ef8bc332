"""`fanfold app`: make and try blocks here, use those of a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from fanfold.cli.server_blocks import add_server_commands

app = typer.Typer(help="Make and try apps; use those of a server.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Make and try apps; use those of a server."""


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


@app.command("test")
def try_one(  # noqa: PLR0917 - one parameter an option
    block: Annotated[Path, typer.Argument(metavar="APP", help="A block folder or a script.")],
    chunk: Annotated[Path, typer.Option("--chunk", help="A file that holds what one chunk would.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="Such as case=upper.")
    ] = None,
    python: Annotated[
        str, typer.Option(help="Interpreter for Python programs; default: Fanfold's own.")
    ] = sys.executable,
    task_timeout: Annotated[float, typer.Option(min=0.001, help="Seconds for the program.")] = 3600.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folders it ran in, and say where.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run an app on one chunk, here, exactly as a runner would, with its log on screen."""
    from fanfold.cli.trial import Trial, try_app

    raise typer.Exit(int(try_app(Trial(block, chunk, tuple(param or ()), python, task_timeout, keep, json))))


add_server_commands(app, "app")
