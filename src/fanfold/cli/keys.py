"""`fanfold key`: API keys of the signed-in user."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold.cli.connection import connected, speaking
from fanfold.cli.output import print_json, print_table, when

app = typer.Typer(help="Your API keys at a server.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DAY_S = 86_400


@app.callback()
def _group() -> None:
    """Your API keys at a server."""


@app.command("list")
def list_(json: Json = False) -> None:
    """List your keys, void ones too."""
    with connected(json) as client:
        found = client.keys.list()
    if json:
        print_json(list(found))
        return
    rows = [
        (
            key.id,
            key.name,
            key.fingerprint,
            " ".join(key.scopes) or "all",
            when(key.issued_at),
            when(key.expires_at) or "never",
            "yes" if key.revoked else "",
        )
        for key in found
    ]
    print_table(("id", "name", "fingerprint", "scopes", "issued", "expires", "revoked"), rows)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "",
    days: Annotated[
        float | None, typer.Option(min=0, help="How long it is good; 0: for ever; default: a year.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A right it carries: read, submit, develop, administer; repeatable; default: all of yours."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a key; its text is printed this once."""
    with connected(json) as client:
        made = client.keys.create(name, None if days is None else days * DAY_S, scope or ())
    if json:
        print_json(made)
        return
    speaking().print(f"key {made.api_key.id}; shown this once:")
    print(made.key)


@app.command("revoke")
def revoke(ids: Annotated[list[str], typer.Argument(metavar="KEY...", help="Ids of keys.")]) -> None:
    """Make keys, and every token issued from them, void at once. Safe to repeat."""
    with connected() as client:
        for key_id in ids:
            client.keys.revoke(key_id)
