"""`fanfold job pause`, `resume`, `limit`: what may be changed of a job while it runs."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from fanfold.cli.connection import connected, speaking
from fanfold.cli.output import print_json
from fanfold.errors import BadInput

Ids = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of jobs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """The commands of a group."""
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("limit")(limit)


def pause(job_ids: Ids) -> None:
    """Start no more tasks of jobs; those that run go on to their end. Safe to repeat."""
    with connected() as client:
        for job_id in job_ids:
            client.jobs.get(job_id).pause()


def resume(job_ids: Ids) -> None:
    """Go on with jobs that were paused. Safe to repeat."""
    with connected() as client:
        for job_id in job_ids:
            client.jobs.get(job_id).resume()


def limit(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    max_concurrency: Annotated[
        int | None, typer.Option(min=1, help="So many tasks at a time; those that run go on.")
    ] = None,
    priority: Annotated[Literal["low", "normal", "high"] | None, typer.Option(help="Order of service.")] = None,
    max_cost: Annotated[str, typer.Option(help="So many chips in all; resume it where it stands at its cap.")] = "",
    json: Json = False,
) -> None:
    """Change the limits of a running job."""
    if max_concurrency is None and priority is None and not max_cost:
        raise BadInput("nothing to change: give --max-concurrency, --priority or --max-cost")
    from fanfold.wire.jobs import JobByteLevel

    level = None if priority is None else JobByteLevel(f"EXECUTION_PRIORITY_{priority.upper()}")
    with connected(json) as client:
        job = client.jobs.get(job_id).limit(max_concurrency, level, max_cost or None)
    if json:
        print_json(job.info)
    else:
        speaking().print(f"{job.id} goes on with its new limits")
