"""`fanfold gc`: remove what lies in a server's storage and nobody needs any more."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold.cli.connection import busy, connected, speaking
from fanfold.cli.output import print_json, print_table

app = typer.Typer(add_completion=False)


@app.command("gc")
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would go.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove what no block and no job of the server needs any more (administrators).

    That is archives and programs of deleted blocks, uploads that were replaced or cut off, and environments of packages
    that no job asked for in a month. Files of jobs go by themselves when their time is over. Safe to repeat, and while
    jobs run."""
    from fanfold.cli.ending import size_of

    with connected(json) as client, busy("looking for what nobody needs"):
        found = client.storage.collect(dry_run)
    if json:
        print_json(found)
        return
    rows = [(garbage.kind, garbage.name, size_of(garbage.size_bytes)) for garbage in found.garbage]
    if rows:
        print_table(("kind", "name", "size"), rows)
    said = "would go" if dry_run else "are gone"
    speaking().print(f"{found.count:,} objects of {size_of(found.size_bytes)} {said}")
