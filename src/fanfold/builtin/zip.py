"""Assembler `zip`: all result files in one zip archive, equal byte by byte when the files are."""

from __future__ import annotations

import os
import zipfile

from fanfold.builtin.describing import choice, manifest, output_file, schema
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import output_path, results
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fanfold.builtin.results import Result

MANIFEST = manifest("zip", "assembler", "Packs all result files into one zip archive.")
SCHEMA = schema(
    {
        "output": output_file("output.zip", shared=False),
        "compression": choice(("deflate", "store"), "Whether files are compressed (`deflate`) or not (`store`)."),
    }
)
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the format knows no time before
UNIX = 3
REGULAR_FILE = 0o100644 << 16
COPY_BYTES = 1024 * 1024


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = sorted(results(), key=lambda result: result.below)
    method = zipfile.ZIP_STORED if params.text("compression") == "store" else zipfile.ZIP_DEFLATED
    taken: dict[str, str] = {}
    with zipfile.ZipFile(output_path(params, [], "output.zip"), "w", method, allowZip64=True) as archive:
        for result in found:
            name = _safe_name(result.below)
            if name in taken:
                raise InputRefused(
                    f'"{shown(taken[name])}" and "{shown(result.below)}" would have the same name in the archive'
                )
            taken[name] = result.below
            _add(archive, result, name, method)


def _safe_name(below: str) -> str:
    """A name that every unpacker takes as one file below its folder: no backslash, control or invalid character."""
    text = os.fsencode(below).decode("utf-8", "replace")
    return "".join("_" if letter == "\\" or not letter.isprintable() else letter for letter in text)


def _add(archive: zipfile.ZipFile, result: Result, name: str, method: int) -> None:
    member = zipfile.ZipInfo(name, EARLIEST)
    member.create_system = UNIX
    member.external_attr = REGULAR_FILE
    member.compress_type = method
    member.file_size = os.stat(result.path).st_size
    with open(result.path, "rb") as file, archive.open(member, "w") as target:
        while block := file.read(COPY_BYTES):
            target.write(block)


if __name__ == "__main__":
    main()
