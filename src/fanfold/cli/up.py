"""`fanfold up`: server and runners in one process tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


Role = Annotated[str | None, typer.Option(help="api, orchestrator or both (both); of several orchestrators one works.")]
Slots = Annotated[int | None, typer.Option("--slots", "-j", min=1, help="Programs at a time; default: cores.")]
Storage = Annotated[
    str | None, typer.Option(help="s3://bucket/prefix for job data; default: files in the state folder.")
]


@app.command("up")
def up(  # noqa: PLR0913, PLR0917 - one parameter an option
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 chooses a free one (8480).")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder for database and job storage.")] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://user:password@host/name; default: SQLite in the state folder.")
    ] = None,
    storage: Storage = None,
    role: Role = None,
    slots: Slots = None,
    executor: Annotated[str | None, typer.Option(help="Where programs run: local or ray (local).")] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="host:port of a Ray cluster's head; default: that of `fanfold cluster start`.")
    ] = None,
    ray_token_file: Annotated[Path | None, typer.Option(help="File with the Ray cluster's token.")] = None,
    region: Annotated[str | None, typer.Option(help="The region of this machine.")] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter for Python programs.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where clients reach the server, for links.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); options and FANFOLD_* win.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="At first start, also write the API key here (0600).")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, as JSON lines.")] = False,
) -> None:
    """Serve API and console here. The first start makes the first account and prints its API key once."""
    from fanfold.cli import stays
    from fanfold.cli.server_log import log_to_stderr
    from fanfold.server.process import serve
    from fanfold.settings import Settings

    mask = log_to_stderr(verbose=verbose)
    settings = Settings.load(
        config,
        os.environ,
        host=host,
        port=port,
        state=state.absolute() if state else None,
        database=database,
        storage=storage,
        role=role,
        slots=slots,
        executor=executor,
        ray_address=ray_address,
        ray_token_file=str(ray_token_file.absolute()) if ray_token_file else None,
        region=region,
        python=python,
        public_url=public_url,
    )

    for name in ("MASTER_KEY", "STORAGE_ACCESS_KEY", "STORAGE_SECRET_KEY"):
        os.environ.pop(f"FANFOLD_{name}", None)  # not for the processes that are started

    def ready(url: str, key: str | None, link: str) -> None:
        print(f"Fanfold serves at {url}  (stop with Ctrl-C)", flush=True)
        if key is not None:
            print(f"API key, shown this once: {key}\nsign in with: fanfold login {url}", flush=True)
            if key_file is not None:
                _write_private(key_file, key)
        if link:
            print(f"open in a browser, works once: {link}", flush=True)
        stays()

    serve(settings, ready, mask.use)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
