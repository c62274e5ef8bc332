"""Assembler `merge-parquet`: Parquet results in one Parquet file, row group after row group."""

from __future__ import annotations

import os

from fanfold.builtin.describing import manifest, output_file, schema
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import create, output_path, results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanfold.builtin.parquet import ParquetSource
    from fanfold.builtin.results import Result

MANIFEST = manifest("merge-parquet", "assembler", "Puts Parquet results into one Parquet file, in chunk order.")
SCHEMA = schema({"output": output_file("output.parquet")})


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = results()
    filled = [result for result in found if os.stat(result.path).st_size]
    descriptor = create(output_path(params, found, "output.parquet"))
    try:
        _merge(filled, descriptor)
    finally:
        os.close(descriptor)


def _merge(found: Sequence[Result], descriptor: int) -> None:
    from fanfold.builtin.parquet import ParquetSource, ParquetTarget, no_columns

    if not found:
        with ParquetTarget(descriptor, no_columns(), "snappy"):
            return
    first = found[0]
    with ParquetSource(first.title, first.path) as file:
        target = ParquetTarget(descriptor, file.schema, file.codec())
        with target:
            for result in found:
                with ParquetSource(result.title, result.path) as part:
                    _refuse_other_schema(part, file)
                    for number in range(part.num_groups):
                        target.write(part.tables(number))


def _refuse_other_schema(part: ParquetSource, first: ParquetSource) -> None:
    from fanfold.builtin.parquet import difference

    told = difference(part.schema, first.schema)
    if told:
        raise InputRefused(f"the schema of {part.title} is not that of {first.title}: {told}")


if __name__ == "__main__":
    main()
