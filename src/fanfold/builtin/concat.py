"""Assembler `concat`: the results one after the other in one file, in the order of their chunks."""

from __future__ import annotations

import os

from fanfold.builtin.copying import copy_file, write_all
from fanfold.builtin.describing import manifest, output_file, schema
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import create, output_path, results

MANIFEST = manifest("concat", "assembler", "Puts the results one after the other into one file, in chunk order.")
SCHEMA = schema(
    {
        "output": output_file("output.bin"),
        "separator": {
            "type": "string",
            "description": "Text between two results, such as a line break.",
            "default": "",
        },
    }
)


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = results()
    separator = params.text("separator").encode("utf-8", "surrogatepass")
    target = create(output_path(params, found, "output.bin"))
    try:
        for place, result in enumerate(found):
            write_all(target, separator if place else b"")
            copy_file(result.path, target)
    finally:
        os.close(target)


if __name__ == "__main__":
    main()
