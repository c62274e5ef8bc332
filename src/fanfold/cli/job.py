"""`fanfold job`: jobs of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fanfold.cli import steering
from fanfold.cli.connection import busy, certain, connected, speaking
from fanfold.cli.output import dumped, print_json, print_record, print_table, when

if TYPE_CHECKING:
    from fanfold.cli.submit import Draft
    from fanfold.wire.tasks import TaskTask

app = typer.Typer(help="Jobs of a server: create, run, watch, fetch.", no_args_is_help=True, add_completion=False)

Id = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
Ids = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of jobs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")]
Offset = Annotated[int, typer.Option(min=0, help="Leave out so many.")]
Template = Annotated[str, typer.Option("--template", "-t", help="The template the job is made from.")]
AppTag = Annotated[str, typer.Option("--app", help="The app's tag.")]
Partitioner = Annotated[str, typer.Option(help="The partitioner's tag.")]
Assembler = Annotated[str, typer.Option(help="The assembler's tag.")]
Input = Annotated[Path | None, typer.Option("--input", "-i", help="A file to upload as the input.")]
Source = Annotated[str, typer.Option(help="Where the input is: a kind, a URL, or a data source as JSON.")]
Destination = Annotated[str, typer.Option(help="Where the output goes, alike; default: the server's bucket.")]
Name = Annotated[str, typer.Option(help="A name for people.")]
Param = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="ROLE.KEY=VALUE", help="Such as app.case=upper; repeatable."),
]
Config = Annotated[
    list[str] | None, typer.Option("--config", "-c", metavar="KEY=VALUE", help="Such as maxAttempts=5; repeatable.")
]
Priority = Annotated[Literal["low", "normal", "high"] | None, typer.Option(help="Order of service.")]


@app.callback()
def _group() -> None:
    """Jobs of a server."""


@app.command("create")
def create(  # noqa: PLR0913, PLR0917 - one parameter an option
    template: Template = "",
    app_tag: AppTag = "",
    partitioner: Partitioner = "",
    assembler: Assembler = "",
    input_: Input = None,
    source: Source = "",
    destination: Destination = "",
    name: Name = "",
    param: Param = None,
    config: Config = None,
    priority: Priority = None,
    json: Json = False,
) -> None:
    """Make a draft; `fanfold job run JOB` starts it."""
    from fanfold.cli.submit import Draft, made

    given = (tuple(param or ()), tuple(config or ()), priority or "")
    draft = Draft(template, app_tag, partitioner, assembler, input_, source, destination, name, *given)
    with connected(json) as client:
        job = made(client, draft)
    if json:
        print_json(job.info)
    else:
        print(job.id)


@app.command("run")
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    job_id: Annotated[str, typer.Argument(metavar="[JOB]", help="A draft; without it a new job is made.")] = "",
    template: Template = "",
    app_tag: AppTag = "",
    partitioner: Partitioner = "",
    assembler: Assembler = "",
    input_: Input = None,
    source: Source = "",
    destination: Destination = "",
    name: Name = "",
    param: Param = None,
    config: Config = None,
    priority: Priority = None,
    sample: Annotated[int, typer.Option(min=0, help="Run only so many chunks, chosen by chance, and merge them.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Chooses another sample.")] = 0,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay until it has ended.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Stay, then fetch the results here.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Start a draft, or make a job and start it."""
    from fanfold.cli.submit import Draft

    sampled = (f"sample={sample}", f"sampleSeed={seed}") if sample else ()
    given = (tuple(param or ()), (*(config or ()), *sampled), priority or "")
    draft = Draft(template, app_tag, partitioner, assembler, input_, source, destination, name, *given)
    raise typer.Exit(_ran(job_id, draft, watch or output is not None, output, as_json=json, quiet=quiet))


def _ran(job_id: str, draft: Draft, watched: bool, output: Path | None, *, as_json: bool, quiet: bool) -> int:
    """Make or find the job, start it, stay with it; the exit code."""
    from fanfold.cli.submit import config_of, made
    from fanfold.cli.watching import tell_end, tell_results, watch
    from fanfold.wire.jobs import JobJobState

    code = 0
    with connected(as_json) as client:
        job = client.jobs.get(job_id).run(config_of(draft.config)) if job_id else made(client, draft).run()
        if watched:
            speaking().print(f"job {job.id}")
            code = int(watch(job, quiet or as_json))
            tell_end(job.info)
        if output is not None and job.state is JobJobState.COMPLETE:
            _fetch(job_id=job.id, output=output, as_json=False, quiet=as_json)
        elif watched and not as_json:
            tell_results(client, job.info)
    if as_json:
        print_json(job.info)
    elif not watched:
        print(job.id)
    return code


@app.command("list")
def list_(
    state: Annotated[list[str] | None, typer.Option(help="Only in this state, such as complete; repeatable.")] = None,
    name: Annotated[str, typer.Option(help="Only with this in the name.")] = "",
    template: Annotated[str, typer.Option("--template", "-t", help="Only from this template.")] = "",
    limit: Limit = 50,
    offset: Offset = 0,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    states = [f"JOB_STATE_{word.upper().removeprefix('JOB_STATE_').replace('-', '_')}" for word in state or []]
    with connected(json) as client:
        page = client.jobs.filter(limit, offset, states=states, name=name, template_id=template)
    if json:
        print_json([job.info for job in page])
        return
    rows = [
        (job.id, job.info.name, _word(job.state), _chunks(job.info.progress), when(job.info.created_at)) for job in page
    ]
    print_table(("id", "name", "state", "chunks", "created"), rows, page.total - offset - len(page))


def _word(state: object) -> str:
    return str(state).removeprefix("JOB_STATE_").removeprefix("TASK_STATE_").replace("_", " ").lower()


def _chunks(progress: object) -> str:
    from fanfold.wire.jobs import JobProgress

    assert isinstance(progress, JobProgress)
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{progress.done}/{progress.total}{failed}" if progress.total else ""


@app.command("get")
def get(job_id: Id, json: Json = False) -> None:
    """Show one job, whole."""
    with connected(json) as client:
        info = client.jobs.get(job_id).info
    if json:
        print_json(info)
    else:
        print_record(dumped(info))


@app.command("watch")
def watch(job_id: Id, json: Json = False, quiet: Quiet = False) -> None:
    """Stay with a job until it has ended; the exit code says how. Ctrl-C leaves it running."""
    from fanfold.cli.watching import tell_end
    from fanfold.cli.watching import watch as watched

    with connected(json) as client:
        job = client.jobs.get(job_id)
        code = watched(job, quiet or json)
    tell_end(job.info)
    if json:
        print_json(job.info)
    raise typer.Exit(int(code))


@app.command("logs")
def logs(  # noqa: PLR0917 - one parameter an option
    job_id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    level: Annotated[list[str] | None, typer.Option(help="Only this level; repeatable.")] = None,
    service: Annotated[
        list[str] | None, typer.Option(help="Only partitioner, taskrunner or assembler; repeatable.")
    ] = None,
    query: Annotated[str, typer.Option("--query", help="Only lines with this text.")] = "",
    json: Json = False,
) -> None:
    """Print what a job's programs printed; with --json a line of JSON each."""
    from fanfold.cli.log_lines import Wanted, followed, stored

    wanted = Wanted(tuple(task or ()), tuple(level or ()), tuple(service or ()), query)
    with connected(json) as client:
        job = client.jobs.get(job_id)
        for line in followed(job, wanted) if follow else stored(job, wanted):
            print(line.as_json() if json else line.as_text(), flush=follow)


@app.command("tasks")
def tasks(
    job_id: Id,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state, such as failed; repeatable.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    json: Json = False,
) -> None:
    """List a job's tasks by chunk."""
    states = [f"TASK_STATE_{word.upper().removeprefix('TASK_STATE_')}" for word in state or []]
    with connected(json) as client:
        page = client.jobs.get(job_id).tasks(states, limit, offset)
    if json:
        print_json(list(page))
        return
    rows = [
        (
            task.chunk_index,
            task.label,
            _word(task.state),
            task.attempt,
            _seconds(task.duration),
            _remark(task),
        )
        for task in page
    ]
    print_table(("chunk", "label", "state", "attempt", "seconds", "remark"), rows, page.total - offset - len(page))


def _remark(task: TaskTask) -> str:
    reused = f"reused from {task.reused_from}" if task.reused_from else ""
    return task.error_message or task.reason or reused


def _seconds(duration: float | None) -> str:
    return f"{duration:.2f}" if duration is not None else ""


@app.command("results")
def results(job_id: Id, json: Json = False) -> None:
    """List a job's output files with their links, which work without a key for 48 hours."""
    with connected(json) as client:
        found = client.jobs.results(job_id)
    if json:
        print_json(list(found))
    else:
        print_table(("name", "bytes", "link"), [(result.name, result.size, result.link) for result in found])


@app.command("download")
def download(
    job_id: Id,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files.")] = Path("out"),
    chunks: Annotated[
        bool,
        typer.Option("--chunks", help="Instead the results of finished chunks, of a failed job too."),
    ] = False,
    json: Json = False,
) -> None:
    """Fetch a job's output files, each checked and whole; repeat it to go on where it stopped."""
    if chunks:
        archive = output / "chunks.zip"
        with connected(json) as client, busy(f"fetching {archive}"):
            job = client.jobs.get(job_id)
            output.mkdir(parents=True, exist_ok=True)
            job.results.download_chunks(archive)
        print_json({"files": [str(archive)]}) if json else print(archive)
        return
    _fetch(job_id, output, json, quiet=False)


def _fetch(job_id: str, output: Path, as_json: bool, quiet: bool) -> None:
    with connected(as_json) as client, busy(f"fetching into {output}"):
        files = client.jobs.get(job_id).results.download(output)
    if as_json:
        print_json({"files": [str(file) for file in files]})
    elif not quiet:
        for file in files:
            print(file)


@app.command("upload")
def upload(job_id: Id, file: Annotated[Path, typer.Argument(help="The input.")], json: Json = False) -> None:
    """Upload a file as the input of a draft, checked by its SHA-256. Repeat it where it was cut short."""
    from fanfold.cli.uploading import shown_upload

    with connected(json) as client, shown_upload(file, quiet=json) as sent:
        job = client.jobs.get(job_id).upload(file, sent)
    if json:
        print_json(job.info)
    else:
        print(f"{file} is the input of {job.id}")


@app.command("abort")
def abort(job_ids: Ids) -> None:
    """End jobs; drafts are deleted. Safe to repeat."""
    with connected() as client:
        for job_id in job_ids:
            client.jobs.abort(job_id)


steering.add_to(app)


@app.command("plan")
def plan(job_id: Annotated[str, typer.Argument(metavar="JOB", help="A draft.")], json: Json = False) -> None:
    """Make a draft's chunks and run nothing: how many, how large, which, and about how long they take."""
    from fanfold.cli.planned import tell_plan

    with connected(json) as client, busy("making the chunks"):
        found = client.jobs.get(job_id).plan()
    if json:
        print_json(found)
    else:
        tell_plan(found)


@app.command("retry")
def retry(
    job_id: Id,
    failure: Annotated[str, typer.Option(help="Only the chunks of this group; see fanfold job failures.")] = "",
    merge_only: Annotated[bool, typer.Option("--merge-only", help="Run the assembler alone.")] = False,
    app_tag: Annotated[str, typer.Option("--app", help="With another version of the app.")] = "",
    assembler: Annotated[str, typer.Option(help="With another version of the assembler.")] = "",
    json: Json = False,
) -> None:
    """Do the failed part of a job again, in a new round; what finished is kept."""
    with connected(json) as client:
        job = client.jobs.retry(job_id, "merge" if merge_only else "failed", failure, app_tag, assembler)
    if json:
        print_json(job.info)
    else:
        print(f"{job.id} is in round {job.info.round}")


@app.command("failures")
def failures(job_id: Id, json: Json = False) -> None:
    """List what failed a job's tasks: how many failed alike, and the first of them."""
    with connected(json) as client:
        found = client.jobs.failures(job_id)
    if json:
        print_json(list(found))
        return
    rows = [
        (group.id, group.count, group.reason, group.message, group.frame, group.first_task_id, group.first_label)
        for group in found
    ]
    print_table(("id", "tasks", "reason", "message", "frame", "first task", "its chunk"), rows)


@app.command("delete")
def delete(job_ids: Ids, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove jobs and their data; running ones are aborted first."""
    if not certain(f"remove {len(job_ids)} jobs and their data?", yes):
        raise typer.Exit(2)
    with connected() as client:
        for job_id in job_ids:
            client.jobs.delete(job_id)
