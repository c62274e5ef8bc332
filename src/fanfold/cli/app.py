"""The command tree."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.markup import escape

from fanfold import __version__
from fanfold.cli import blocks, run
from fanfold.cli.exits import Exit
from fanfold.errors import FanfoldError, Unavailable

app = typer.Typer(
    name="fanfold",
    help="Fan out, fold in: split an input, run a script on every chunk, fold the results into one output.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.add_typer(blocks.app_commands, name="app")


@app.callback()
def _root() -> None:
    """Keep subcommands even when there is one."""


@app.command()
def version(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the version."""
    print(f'{{"version": "{__version__}"}}' if json else f"fanfold {__version__}")


def run_command_line() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _answered()


def _answered() -> None:
    """Run; every error of ours is one line with its mend, and an exit code."""
    try:
        app()
    except FanfoldError as err:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(err))}")
        sys.exit(Exit.UNAVAILABLE if isinstance(err, Unavailable) else Exit.BAD_USAGE)
