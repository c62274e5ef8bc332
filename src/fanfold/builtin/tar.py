"""Assembler `tar`: all result files in one tar archive."""

from __future__ import annotations

from fanfold.builtin.archiving import write_tar
from fanfold.builtin.describing import choice, manifest, output_file, schema
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import output_path, results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from gzip import GzipFile
    from typing import BinaryIO

    from fanfold.builtin.results import Result

MANIFEST = manifest("tar", "assembler", "Packs all result files into one tar archive.")
SCHEMA = schema(
    {
        "output": output_file("output.tar", shared=False),
        "compression": choice(("none", "gzip"), "Whether the archive is compressed."),
    }
)


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = sorted(results(), key=lambda result: result.below)
    compressed = params.text("compression") == "gzip"
    with open(output_path(params, [], "output.tar.gz" if compressed else "output.tar"), "wb") as target:
        if compressed:
            _write_gzip(target, found)
        else:
            _write(target, found)


def _write(target: BinaryIO | GzipFile, found: Sequence[Result]) -> None:
    write_tar(target, ((result.below, result.path) for result in found))


def _write_gzip(target: BinaryIO, found: Sequence[Result]) -> None:
    import gzip

    with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as packed:
        _write(packed, found)


if __name__ == "__main__":
    main()
