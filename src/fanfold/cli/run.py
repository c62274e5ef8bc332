"""`fanfold run`: the main job with no server, here and now."""

from __future__ import annotations

import os
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanfold.errors import FanfoldError

if TYPE_CHECKING:
    from fanfold.cli.wishes import Wish

app = typer.Typer(add_completion=False)

Template = Annotated[
    Path | None, typer.Option("--template", "-t", help="A template.json that names blocks and params; options win.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the output; if not empty, see --force and --resume.")
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", metavar="ROLE.KEY=VALUE", help="A param of a program, such as app.case=upper; repeatable."
    ),
]


@app.command("run")
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="INPUT...", help="Files, or folders that stand for their files.")
    ] = None,
    app_tag: Annotated[
        str, typer.Option("--app", help="What runs on every chunk: a block folder, a script, or a tag.")
    ] = "",
    template: Template = None,
    output: Output = Path("out"),
    partitioner: Annotated[
        str, typer.Option(help="What makes the chunks: a tag or folder; default: passthrough.")
    ] = "",
    assembler: Annotated[str, typer.Option(help="What folds the results: a tag or folder; default: passthrough.")] = "",
    param: Param = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run to this output.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Start over; replace files in the output folder.")] = False,
    slots: Annotated[
        int | None, typer.Option("--slots", "-j", min=1, help="Programs at a time; default: cores.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter for Python programs.")] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1, help="Tries for each chunk (3).")] = None,
    max_failed: Annotated[str, typer.Option(help="Failed chunks to tolerate: a number, or a share such as 5%.")] = "",
    task_timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds for one program (3600).")] = None,
    job_timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds for all (7 days).")] = None,
    canary: Annotated[
        int, typer.Option(min=0, help="Chunks that have to pass, at the first try, before others start.")
    ] = 0,
    sample: Annotated[int, typer.Option(min=0, help="Run only so many chunks, chosen by chance, and merge them.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Chooses another sample.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the ended job as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Split INPUT, run APP on every chunk, fold the results into OUTPUT.

    An interrupted run is continued with --resume: finished chunks are not run again.
    """
    from fanfold.cli.wishes import Wish

    wish = Wish(
        inputs=tuple(inputs or ()),
        app=app_tag,
        template=template,
        output=output,
        partitioner=partitioner,
        assembler=assembler,
        params=tuple(param or ()),
        resume=resume,
        force=force,
        slots=slots,
        python=python,
        max_attempts=max_attempts,
        max_failed=max_failed,
        task_timeout_s=task_timeout,
        job_timeout_s=job_timeout,
        canary=canary,
        sample=sample,
        seed=seed,
        as_json=json,
        quiet=quiet,
    )
    raise typer.Exit(_carried_out(wish))


def _carried_out(wish: Wish) -> int:
    """The exit code; with --json, a refusal is told as JSON too."""
    from fanfold.effects import Effects
    from fanfold.executors.recruits import begin
    from fanfold.settings import Settings

    try:
        settings = Settings.load(environment=os.environ, slots=wish.slots)
        if settings.executor == "local":
            begin(settings.slots, Effects())  # they load while this process does
        from fanfold.cli.local_run import carry_out

        return int(carry_out(wish))
    except FanfoldError as err:
        if wish.as_json:
            print(dumps({"error": {"code": err.code, "message": str(err)}}))
        raise
