"""`fanfold secret`: secrets of the account. Values come from a prompt, a file or standard input, never as arguments,
which other users of a machine can see."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanfold.cli.connection import certain, connected, speaking
from fanfold.cli.output import print_json, print_table, when
from fanfold.errors import BadInput, NotFound

if TYPE_CHECKING:
    from fanfold.client import Client

app = typer.Typer(help="Secrets of the account.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a secret.")]
Block = Annotated[str, typer.Argument(metavar="BLOCK", help="Tag of an imported block.")]
Kind = Annotated[str, typer.Option("--type", help="app, partitioner or assembler, where blocks share the name.")]


@app.callback()
def _group() -> None:
    """Secrets of the account."""


@app.command("list")
def list_(json: Json = False) -> None:
    """List the secrets, expired ones too; their values are never shown."""
    with connected(json) as client:
        found = client.secrets.list()
    if json:
        print_json(list(found))
        return
    rows = [
        (
            secret.id,
            secret.secret_type,
            secret.name,
            secret.access_key,
            f"{when(secret.expires_at)}{' (over)' if secret.expired else ''}" if secret.expires_at else "never",
            " ".join(grant.block for grant in secret.grants),
        )
        for secret in found
    ]
    print_table(("id", "type", "name", "access key", "expires", "granted to"), rows)


@app.command("put")
def put(
    secret_id: Id,
    *,
    type_: Annotated[
        str,
        typer.Option("--type", help="aws (or s3), gcp, storj, wasabi, backblaze, s3-compatible, other."),
    ] = "other",
    access_key: Annotated[str, typer.Option(help="Its public half; not for the type other.")] = "",
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    file: Annotated[
        Path | None,
        typer.Option(help="File of the value; -: standard input; default: you are asked. One line end is dropped."),
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Days after which it expires; default: never.")] = None,
    json: Json = False,
) -> None:
    """Store a secret, or a new value of one, which keeps its grants."""
    value = _value(file, secret_id)
    ends = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with connected(json) as client:
        made = client.secrets.put(secret_id, type_, value, access_key, name, ends)
    if json:
        print_json(made)
        return
    speaking().print(f"secret '{made.id}' is stored; its value is not shown again")


@app.command("delete")
def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of secrets.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete secrets with their grants."""
    if not certain(f"Delete {', '.join(ids)} for good?", yes):
        raise typer.Exit(1)
    with connected() as client:
        for secret_id in ids:
            client.secrets.delete(_type_of(client, secret_id), secret_id)


@app.command("grant")
def grant(secret_id: Id, block: Block, kind: Kind = "", json: Json = False) -> None:
    """Let an imported block have a secret, as the block is now: a further revision needs a further grant."""
    with connected(json) as client:
        made = client.secrets.grant(_type_of(client, secret_id), secret_id, block, kind)
    if json:
        print_json(made)
        return
    speaking().print(f"'{made.block}' (revision {made.revision}) gets the secret '{secret_id}'")


@app.command("revoke")
def revoke(secret_id: Id, block: Block, kind: Kind = "") -> None:
    """Take a grant back. Safe to repeat."""
    with connected() as client:
        client.secrets.revoke(_type_of(client, secret_id), secret_id, block, kind)


@app.command("rotate")
def rotate() -> None:
    """Wrap all secrets of the server with a new master key (administrators). Safe to repeat, and to be cut off.

    A server that was given its key in FANFOLD_MASTER_KEY says how it is started with a new one."""
    with connected() as client:
        count = client.secrets.rotate()
    speaking().print(f"{count} secrets are wrapped with a new master key; the old one is gone from the key file")


def _type_of(client: Client, secret_id: str) -> str:
    found = next((secret.secret_type for secret in client.secrets.list() if secret.id == secret_id), None)
    if found is None:
        raise NotFound(f"there is no secret '{secret_id}'")
    return found


def _value(file: Path | None, secret_id: str) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise BadInput("there is nobody to ask for the value; name its file with --file, or --file - for a pipe")
        return str(typer.prompt(f"value of '{secret_id}'", hide_input=True, err=True))
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = data.decode()
    except OSError as err:
        raise BadInput(f"'{file}' cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise BadInput(f"'{file}' is not text in UTF-8; store its base64 instead") from err
    return text.removesuffix("\n").removesuffix("\r")
