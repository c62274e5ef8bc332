"""`fanfold task`: fetch what a task of a server was given, and run it here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fanfold.cli.connection import busy, connected, speaking

app = typer.Typer(help="Tasks of a server, run again here.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Tasks of a server, run again here."""


@app.command("pull")
def pull(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="A job that was run.")],
    task: Annotated[str, typer.Argument(metavar="TASK", help="The id of a task, or the index of its chunk.")],
    folder: Annotated[
        Path | None, typer.Option("--in", help="A new folder; default: one named after the task.")
    ] = None,
) -> None:
    """Fetch a task's chunk, block and params into a folder. Secrets are never fetched."""
    from fanfold.cli.replaying import pulled

    with connected() as client, busy("fetching"):
        job = client.jobs.get(job_id)
        place = pulled(lambda archive: job.pull_task(task, archive), folder or Path(f"task-{task.rpartition('-')[2]}"))
    speaking().print(f"{place}: change what you like in {place / 'block'}, then type: fanfold task run {place}")


@app.command("run")
def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `fanfold task pull` made.")],
    python: Annotated[
        str, typer.Option(help="Interpreter for Python programs; default: Fanfold's own.")
    ] = sys.executable,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folders it ran in, and say where.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run a pulled task here as a runner would, with its log on screen. Secrets come from the environment, or are asked
    for."""
    from fanfold.cli.replaying import trial_of
    from fanfold.cli.trial import try_app

    raise typer.Exit(int(try_app(trial_of(folder, python, keep=keep, as_json=json))))
