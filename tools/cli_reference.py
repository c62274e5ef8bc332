"""Writes docs/reference/cli.md from the commands themselves: python tools/cli_reference.py; --check only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from fanfold.cli.app import app
from fanfold.cli.exits import MEANINGS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
OPENING = """# The command line

<!-- Written by tools/cli_reference.py from the commands; change their help, not this page. -->

`fanfold --help` lists the commands, `fanfold COMMAND --help` the options of one.
`fanfold --install-completion` teaches your shell to complete them.
"""
CLOSING = """
These codes never change. An error is one line on standard error that says what was wrong and what to do. With `--json`
standard output holds one JSON object: the outcome, or `{"error": {"code", "message"}}` where nothing was run.
"""
OF_EVERY_COMMAND = {"help", "install_completion", "show_completion"}


def page() -> str:
    """The whole page."""
    parts = [OPENING]
    for name, command in commands(get_command(app), "fanfold"):
        parts.append("\n".join(section(name, command)))
    rows = [f"| {int(code)} | `{code.name}` | {meaning} |" for code, meaning in MEANINGS.items()]
    parts.append("\n".join(["", "## Exit codes", "", "| code | name | meaning |", "| --: | :-- | :-- |", *rows]))
    return "\n".join(parts) + "\n" + CLOSING


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below a group, with its whole name."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child in children:
        yield from commands(children[child], f"{name} {child}")


def section(name: str, command: Any) -> Iterator[str]:
    """The lines about one command."""
    options = [
        item for item in command.params if item.param_type_name == "option" and item.name not in OF_EVERY_COMMAND
    ]
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    yield from ("", f"## `{name}`", "", "```console")
    yield " ".join([name, *(str(item.metavar or (item.name or "").upper()) for item in arguments), "[OPTIONS]"])
    yield from ("```", "", *paragraphs(command.help or ""))
    if arguments or options:
        yield from ("", "| | meaning |", "| :-- | :-- |")
    for item in arguments:
        yield f"| {item.metavar or (item.name or '').upper()} | {item.help} |"
    for item in options:
        yield f"| {', '.join(f'`{spelling}`' for spelling in item.opts)} | {meaning(item)} |"


def paragraphs(text: str) -> Iterator[str]:
    """A help text with its lines joined, a blank line between paragraphs."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        yield from ([""] if number else [])
        yield " ".join(paragraph.split())


def meaning(option: Any) -> str:
    """What an option's help says, and its default where that is a plain value."""
    default = option.default
    plain = (
        isinstance(default, str | int | float) and not isinstance(default, bool) and default not in {"", sys.executable}
    )
    shown = f"{default:g}" if isinstance(default, float) else default
    return f"{option.help} [{shown}]" if plain else str(option.help)


def main() -> int:
    """0, or 1 where --check finds another page than the code asks for."""
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
