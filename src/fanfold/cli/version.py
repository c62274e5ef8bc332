"""`fanfold version`."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold import __version__

app = typer.Typer(add_completion=False)


@app.command("version")
def version(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the version."""
    print(f'{{"version": "{__version__}"}}' if json else f"fanfold {__version__}")
