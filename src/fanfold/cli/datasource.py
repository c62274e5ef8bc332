"""`fanfold datasource`: places of input and output, tried by the server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fanfold.cli.connection import connected, speaking
from fanfold.cli.output import print_json, print_table
from fanfold.cli.submit import place_of
from fanfold.errors import BadInput

if TYPE_CHECKING:
    from fanfold.wire.jobs import DataPreview

app = typer.Typer(help="Data sources and destinations.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Data sources and destinations."""


@app.command("test")
def try_places(
    source: Annotated[
        str, typer.Argument(metavar="[SOURCE]", help="A URL, a kind, or JSON of kind and params; -: JSON from a pipe.")
    ] = "",
    *,
    destination: Annotated[
        str, typer.Option(help="Try a destination: a small object is written and deleted. -: JSON from a pipe.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have the server try a place: says what a source holds, or in words what is wrong."""
    if not (source or destination):
        raise BadInput("there is nothing to try; give a source, --destination, or both")
    if source == destination == "-":
        raise BadInput("a pipe has one place; give the other as an argument")
    places = place_of(_read(source)), place_of(_read(destination))
    with connected(json) as client:
        answer = client.test_datasource(*places)
    if json:
        print_json(answer)
        return
    if answer.preview is not None:
        _show(answer.preview)
    if destination:
        speaking().print("the destination works: a small object was written and deleted")


def _show(preview: DataPreview) -> None:
    print_table(
        ("file", "bytes"), [(file.name, "?" if file.size is None else f"{file.size:,}") for file in preview.files]
    )
    least = "" if preview.whole else "at least "
    size = "of unknown size" if preview.size is None else f"{preview.size:,} bytes"
    files = "1 file" if preview.count == 1 else f"{preview.count:,} files"
    speaking().print(f"the source works: {least}{files}, {size}")


def _read(text: str) -> str:
    """What an argument says; credentials are better sent through a pipe, where other users cannot see them."""
    return sys.stdin.read() if text == "-" else text
