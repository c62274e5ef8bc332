"""Assembler `passthrough`: the result files are the output."""

from __future__ import annotations

import os

from fanfold.builtin.copying import copy_file
from fanfold.builtin.describing import manifest, schema
from fanfold.builtin.program import assembler_params, folder, run
from fanfold.builtin.results import results

MANIFEST = manifest("passthrough", "assembler", "Makes the result files the output, as they are.")
SCHEMA = schema({})


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    assembler_params(SCHEMA)
    output = folder("OUTPUT_DIR")
    for result in results():
        path = os.path.join(output, result.below)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode = os.stat(result.path).st_mode & 0o777
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode | 0o200)
        try:
            copy_file(result.path, target)
        finally:
            os.close(target)


if __name__ == "__main__":
    main()
