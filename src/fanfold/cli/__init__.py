"""The command `fanfold`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point of the `fanfold` script."""
    from fanfold.cli.app import run_command_line

    run_command_line()
