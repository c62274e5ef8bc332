"""The command `fanfold`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading

USUAL_SWEEPS = gc.get_threshold()
OBJECTS_A_SWEEP = 50_000
"""So many new objects make Python look for cycles: the modules of a command alone are twice as many, and none of them
is garbage. At the usual 700, a sixth of the imports' time goes by in looking."""


def stays() -> None:
    """This command goes on: what is loaded stays, and garbage among what comes is looked for as Python does it."""
    gc.freeze()
    gc.set_threshold(*USUAL_SWEEPS)


def main() -> None:
    """Run the command line; the entry point of the `fanfold` script."""
    if sys.argv[1:] == ["version"]:  # scripts ask for it often, and the command tree takes 0.1 s to load
        from fanfold import __version__

        print(f"fanfold {__version__}")
        return
    gc.set_threshold(OBJECTS_A_SWEEP)
    from fanfold.cli.app import run_command_line

    try:
        run_command_line()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _leave(end.code or 0)
        raise


def _leave(code: int) -> None:
    """End now, where nobody works on: to take all modules apart costs a tenth of a second and gives nobody anything."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        return
    atexit._run_exitfuncs()  # noqa: SLF001 - what Python does itself before it takes the modules apart
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more: Python's own way says so
        return
    os._exit(code)
