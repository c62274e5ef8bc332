"""The command `fanfold`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the entry point of the `fanfold` script."""
    if sys.argv[1:] == ["version"]:  # scripts ask for it often, and the command tree takes 0.1 s to load
        from fanfold import __version__

        print(f"fanfold {__version__}")
        return
    from fanfold.cli.app import run_command_line

    run_command_line()
