"""One chunk through one app, here, exactly as a runner would: the same staging, environment, log and judgement."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from fanfold.builtin.registry import names
from fanfold.cli.exits import Exit
from fanfold.cli.run_state import environments_folder
from fanfold.cli.wishes import value_of
from fanfold.clocks import SteadyClock
from fanfold.effects import Effects, etag_of
from fanfold.errors import BadInput, BadParams, NotFound, Problem
from fanfold.jobs import contract
from fanfold.jobs.blocks import BlockType, Manifest, PlatformKind
from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.params import params_problems, with_defaults
from fanfold.jobs.secrets import environment_names
from fanfold.jobs.task_lifecycle import Outcome, ProgramFailed, Reason, Succeeded
from fanfold.pipeline.images import INTERPRETER, fetched, notice
from fanfold.pipeline.workspace import Workspace
from fanfold.places import environments_of
from fanfold.platforms.choosing import ChosenPlatform
from fanfold.platforms.images import RuntimeImages
from fanfold.ports.blobs import Blobs
from fanfold.ports.executor import Input, RunOrder
from fanfold.ports.images import Image
from fanfold.ports.platform import Rules
from fanfold.runner.folders import folders_of, place_of
from fanfold.runner.process_tree import adopt_orphans
from fanfold.runner.run import Run
from fanfold.runner.staging import manifest_files
from fanfold.runner.storage import at_rest_here
from fanfold.services.block_files import BlockFiles
from fanfold.services.caller_secrets import CallerSecrets
from fanfold.services.log_files import lines_of, log_of
from fanfold.services.packages import Packages, ReadBlock
from fanfold.settings import Settings
from fanfold.wiring import rules_of

LOOK_EVERY_S = 0.2
JOB = "trial"
HERE = place_of("here", os.getpid())


@dataclass(frozen=True, slots=True)
class Given:
    """What a task of a server had: its params as they are (None: those of the options), variables of its environment,
    and whether its secrets are asked for where the environment has none."""

    params: Mapping[str, Any] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ask: bool = False


NOTHING = Given()


@dataclass(frozen=True, slots=True)
class Trial:
    """The options of `fanfold app test`, and for `fanfold task run` what the task was given."""

    app: Path
    chunk: Path
    params: tuple[str, ...]
    python: str
    timeout_s: float
    keep: bool
    as_json: bool
    given: Given = NOTHING


def try_app(trial: Trial) -> Exit:
    """Run it, print its log as it comes, then what it left and what it used."""
    if not trial.chunk.is_file():
        raise NotFound(f"there is no chunk file '{trial.chunk}'; name a file with what one chunk holds")
    place = Path(tempfile.mkdtemp(prefix="fanfold-trial-"))
    try:
        order = _order(trial, place)
        rules = rules_of(Settings.load(environment=os.environ))
        outcome = _carried_out(order, rules, sys.stderr if trial.as_json else sys.stdout)
        _tell(trial, outcome, folders_of(order, HERE).published)
    finally:
        if trial.keep:
            print(f"kept: {place}", file=sys.stderr)
        else:
            shutil.rmtree(place, ignore_errors=True)
    if isinstance(outcome, Succeeded):
        return Exit.OK
    return Exit.JOB_FAILED if isinstance(outcome, ProgramFailed) else Exit.INTERRUPTED


def _order(trial: Trial, place: Path) -> RunOrder:
    """What a runner would be told about this chunk."""
    effects = Effects()
    workspace = Workspace(place, effects)
    block = _block(trial.app, Packages(BlockFiles(place, effects, SteadyClock()), effects))
    manifest = block.manifest
    params = trial.given.params if trial.given.params is not None else _params(block, trial.params)
    image = _image(manifest, place / "private-images", effects)
    interpreter = INTERPRETER if image is not None else (_python(trial, manifest, effects),)
    workspace.job(JOB).make()
    chunk = trial.chunk.absolute()
    info = chunk.stat()
    data = RangeChunk(str(chunk), etag_of(info), 0, info.st_size)
    task = TaskKey(JOB, Role.APP, 0)
    return RunOrder(
        attempt=AttemptKey(task, 1),
        number=1,
        folder=str(workspace.job(JOB).path),
        scratch=str(workspace.scratch),
        package=str(workspace.package(block.pinned.package)),
        entrypoint=manifest.entrypoint,
        interpreter=interpreter if manifest.entrypoint.endswith(".py") else (),
        preload=manifest.preload,
        reentrant=manifest.reentrant,
        image="" if image is None else image.id,
        runtime="" if image is None else image.runtime,
        inputs=(Input(contract.CHUNK_FILE, chunk=data),),
        params=json.dumps(dict(params)),
        timeout_s=trial.timeout_s,
        device=manifest.device,
        secrets=CallerSecrets(_with_asked(block) if trial.given.ask else os.environ).environment(JOB, block.pinned),
        env={
            **({} if image is None else image.env),
            contract.JOB_ID: JOB,
            contract.TASK_ID: task.task_id,
            contract.CHUNK_INDEX: "0",
            contract.NUM_CHUNKS: "1",
            contract.ATTEMPT: "1",
            contract.SHARED_CACHE_DIR: str(workspace.shared_cache()),
            contract.USER_CACHE_DIR: str(workspace.cache(JOB)),
            **trial.given.environment,
        },
    )


def _with_asked(block: ReadBlock) -> Mapping[str, str]:
    """The environment, and the values of secrets that it lacks, as a person types them: shown and kept nowhere."""
    found = dict(os.environ)
    for secret_id in block.manifest.secrets:
        names_ = environment_names(secret_id)
        if any(found.get(name) for name in names_) or not sys.stdin.isatty():
            continue
        import typer

        found[names_[2]] = str(typer.prompt(f"value of the secret '{secret_id}'", hide_input=True, err=True))
    return found


def _image(manifest: Manifest, private: Path, effects: Effects) -> Image | None:
    """What the app asks to run in, fetched where it is not here; None where it asks for nothing, or for a Python that
    cannot be had and this machine's stands in for, which is said."""
    if manifest.platform is not PlatformKind.DOCKER:
        return None
    settings = Settings.load(environment=os.environ)
    images = RuntimeImages(settings.containers, private, effects)
    found = fetched(images, manifest.image, None, settings.container_fallback == "on", lambda: False)
    if found is None:
        print(f"note: {notice(Role.APP, manifest)}", file=sys.stderr)
    return found


def _python(trial: Trial, manifest: Manifest, effects: Effects) -> str:
    """What runs the app: an environment with what it requires is built where it is not there."""
    required = manifest.requirements
    if not required:
        return trial.python
    settings = Settings.load(environment=os.environ, python=trial.python, environments=environments_folder())
    environments = environments_of(settings, effects)
    if environments.find(required) is None:
        print(f"installing {', '.join(required)}", file=sys.stderr)
    return environments.build(required, lambda: False).python


def _block(path: Path, packages: Packages) -> ReadBlock:
    if not path.exists() and path.name in names("partitioner") + names("assembler"):
        raise BadInput(f"'{path}' is not an app but a built-in block; name the folder or script of an app")
    return packages.take(path, BlockType.APP)


def _params(block: ReadBlock, given: tuple[str, ...]) -> dict[str, Any]:
    """`key=value` texts, checked against the app's schema; `app.key=value` is the same, as `fanfold run` writes it."""
    params: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.removeprefix("app.").partition("=")
        if not key or not equals:
            raise BadParams("the params are not right", [Problem(f"-p {text}", "expected KEY=VALUE")])
        params[key] = value_of(value)
    problems = params_problems(block.schema, params, "params")
    if problems:
        raise BadParams("the params are not right", problems)
    return with_defaults(block.schema, params)


def _carried_out(order: RunOrder, rules: Rules, to: TextIO) -> Outcome:
    """Run to the end, its log told as it comes; Ctrl-C ends the program and all its processes."""
    adopt_orphans()
    effects = Effects()
    clock = SteadyClock()
    platform = ChosenPlatform(effects, clock, rules)
    blobs = at_rest_here(effects)
    run = Run(order, platform, effects, clock, "here", kill_grace_s=1.0, blobs=blobs)
    log = _Log(order.attempt, folders_of(order, HERE).logs, blobs, to)
    with _stopped_by_signals(run):
        run.begin()
        if run.running is None:
            run.clean()
        else:
            _watch(run, log)
    platform.close()
    log.show()
    assert run.outcome is not None
    return run.outcome


def _watch(run: Run, log: _Log) -> None:
    assert run.running is not None
    with selectors.DefaultSelector() as selector:
        output = selector.register(run.running.output(), selectors.EVENT_READ)
        ended = selector.register(run.running.ended_fd(), selectors.EVENT_READ)
        while True:
            # A signal may have stopped it meanwhile, which a wait that goes on after signals does not see.
            ready = [key for key, _ in selector.select(min(run.wait_s(), LOOK_EVERY_S))]
            if output in ready and not run.on_output():
                selector.unregister(output.fd)
            log.show()
            if ended in ready:
                break
            run.on_time()
    run.on_end()


class _Log:
    """Prints what was added to an attempt's log since the last look, at once: a pipe would keep it back."""

    def __init__(self, attempt: AttemptKey, folder: Path, blobs: Blobs, to: TextIO) -> None:
        self._attempt = attempt
        self._folder = folder
        self._blobs = blobs
        self._to = to
        self._read = 0

    def show(self) -> None:
        """Print the new lines."""
        log = log_of(self._attempt, self._folder, self._blobs)
        for line in lines_of(log, self._read) if log is not None else ():
            self._read = line.end
            print(line.text, file=self._to, flush=True)


@contextmanager
def _stopped_by_signals(run: Run) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        run.stop(Reason.ABORTED)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(trial: Trial, outcome: Outcome, published: Path) -> None:
    from rich.console import Console
    from rich.markup import escape

    from fanfold.cli.ending import size_of

    report = _report(outcome, published)
    if trial.as_json:
        print(json.dumps(report, indent=2))
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for file in report["files"]:
        console.print(f"  {size_of(file['sizeBytes']):>10}  {escape(file['path'])}")
    console.print(f"{'[bold green]' if report['ok'] else '[bold red]'}{escape(report['said'])}[/]")
    used = f"{report['seconds']:.2f} s, cpu {report['cpuSeconds']:.2f} s, peak memory {size_of(report['maxMemory'])}"
    console.print(f"{used}, read {size_of(report['bytesIn'])}, wrote {size_of(report['bytesOut'])}")


def _report(outcome: Outcome, published: Path) -> dict[str, Any]:
    usage = outcome.usage
    files = (
        list(manifest_files(outcome.result, published, at_rest_here(Effects())))
        if isinstance(outcome, Succeeded)
        else []
    )
    began = outcome.started_at
    return {
        "ok": isinstance(outcome, Succeeded),
        "reason": outcome.reason.value if isinstance(outcome, ProgramFailed) else None,
        "said": _said(outcome, len(files)),
        "exitCode": outcome.exit_code if isinstance(outcome, ProgramFailed) else 0,
        "files": [{"path": file.path, "sizeBytes": file.size_bytes} for file in files],
        "seconds": (outcome.at - began).total_seconds() if began else 0.0,
        "cpuSeconds": usage.cpu_s,
        "maxMemory": usage.max_memory_bytes,
        "bytesIn": usage.bytes_in,
        "bytesOut": usage.bytes_out,
        "isolation": usage.isolation,
    }


def _said(outcome: Outcome, count: int) -> str:
    if isinstance(outcome, Succeeded):
        return f"done: {count} result file{'' if count == 1 else 's'}" if count else "done, but it left no result file"
    if isinstance(outcome, ProgramFailed):
        return f"failed ({outcome.reason.value}): {outcome.message}"
    return "interrupted"
