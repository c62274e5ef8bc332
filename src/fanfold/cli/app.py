"""The command tree. What a command needs is imported when it runs, so that the others start at once."""

from __future__ import annotations

import logging
import sys

import typer

from fanfold.cli.exits import Exit
from fanfold.cli.lazy import lazy_group
from fanfold.errors import FanfoldError, OutOfSpace, Unavailable

COMMANDS = {
    "run": "fanfold.cli.run:app",
    "up": "fanfold.cli.up:app",
    "cluster": "fanfold.cli.cluster:app",
    "login": "fanfold.cli.login:app",
    "job": "fanfold.cli.job:app",
    "task": "fanfold.cli.task:app",
    "app": "fanfold.cli.blocks:app",
    "engine": "fanfold.cli.engines:app",
    "template": "fanfold.cli.templates:app",
    "key": "fanfold.cli.keys:app",
    "secret": "fanfold.cli.secrets:app",
    "webhook": "fanfold.cli.webhooks:app",
    "cache": "fanfold.cli.cache:app",
    "datasource": "fanfold.cli.datasource:app",
    "db": "fanfold.cli.db:app",
    "export": "fanfold.cli.moving:export_app",
    "import": "fanfold.cli.moving:import_app",
    "gc": "fanfold.cli.gc:app",
    "wallet": "fanfold.cli.wallet:app",
    "doctor": "fanfold.cli.doctor:app",
    "version": "fanfold.cli.version:app",
}
"""Every command and where it is, in the order of `fanfold --help`."""

app = typer.Typer(
    name="fanfold",
    cls=lazy_group(COMMANDS),
    help="Fan out, fold in: split an input, run a script on every chunk, fold the results into one output.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """A group takes its commands from COMMANDS."""


_AWAY = {Unavailable.code, OutOfSpace.code}
"""Codes of a thing that does not answer, here or at a server."""


def run_command_line() -> None:
    """Run; every error of ours is one line with its mend, and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except FanfoldError as err:
        _tell(err)
        sys.exit(Exit.UNAVAILABLE if err.code in _AWAY else Exit.BAD_USAGE)


def _tell(err: FanfoldError) -> None:
    from rich.console import Console
    from rich.markup import escape

    line = " ".join(str(err).split())
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {escape(line)}")
