"""`fanfold login`: keep a server's address and key for the commands and clients of this user."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fanfold.errors import BadInput

app = typer.Typer(add_completion=False)

USUAL_URL = "http://127.0.0.1:8480"


@app.command("login")
def login(
    url: Annotated[str, typer.Argument(help=f"The server; default: the one of the last login, or {USUAL_URL}.")] = "",
    key_file: Annotated[Path | None, typer.Option("--key-file", help="A file that holds the API key.")] = None,
) -> None:
    """Sign in: check an API key and keep it (mode 0600) below XDG_CONFIG_HOME.

    The key is asked for, or read from --key-file, FANFOLD_API_KEY or standard input; never from the command line.
    """
    from fanfold.client import Client
    from fanfold.client.credentials import Credentials, config_file, plain_url, read, store

    known = plain_url(url or os.environ.get("FANFOLD_URL", "") or read(config_file()).url or USUAL_URL)
    found = Credentials(known, _key(key_file))
    with Client(found.url, found.api_key, retry_s=5.0) as client:
        user = client.user()
    place = store(found)
    print(f"signed in at {found.url} as {user.name} (account {user.account_id}, {user.role}); kept in {place}")


def _key(file: Path | None) -> str:
    """The key, from wherever it was put."""
    if file is not None:
        try:
            key = file.read_text(encoding="utf-8")
        except OSError as err:
            raise BadInput(f"the key file '{file}' cannot be read: {err.strerror}") from err
    elif "FANFOLD_API_KEY" in os.environ:
        key = os.environ["FANFOLD_API_KEY"]
    elif sys.stdin.isatty():
        key = typer.prompt("API key", hide_input=True)
    else:
        key = sys.stdin.readline()
    if not key.strip():
        raise BadInput("no API key was given; `fanfold up` prints one at its first start")
    return key.strip()
