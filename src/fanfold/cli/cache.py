"""`fanfold cache`: what programs keep between runs, as people see it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fanfold.cli.connection import certain, connected
from fanfold.cli.ending import size_of
from fanfold.cli.output import print_json, print_table

app = typer.Typer(help="The cache of the account's programs.", no_args_is_help=True, add_completion=False)

Shared = Annotated[bool, typer.Option("--shared", help="The cache that everybody's programs read (administrators).")]


@app.callback()
def _group() -> None:
    """The cache of the account's programs."""


@app.command("ls")
def ls(
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help="A folder of the cache.")] = "",
    shared: Shared = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List a folder."""
    with connected(json) as client:
        found = client.caches.list(folder, shared)
    if json:
        print_json(list(found))
        return
    rows = [(f"{entry.name}/" if entry.is_folder else entry.name, size_of(entry.size)) for entry in found]
    print_table(("name", "size"), rows)


@app.command("put")
def put(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of this machine.")],
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="Where in the cache; default: its own name.")] = "",
    shared: Shared = False,
) -> None:
    """Write a file, with the folders it is in."""
    from fanfold.cli.uploading import shown_upload

    with connected() as client, shown_upload(file) as sent:
        client.caches.put(file, path, shared, sent)


@app.command("rm")
def rm(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files or folders of the cache.")],
    shared: Shared = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove files, or folders with all that is in them."""
    if not certain(f"Remove {', '.join(paths)} for good?", yes):
        raise typer.Exit(1)
    with connected() as client:
        for path in paths:
            client.caches.remove(path, shared)
