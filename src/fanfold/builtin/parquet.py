"""Reading and writing Parquet files in pieces; the one place of the built-in blocks that knows pyarrow.

A row group is read in batches of about `BATCH_BYTES` and written back whole, unless it holds more than `GROUP_BYTES`
once it is decoded: it then becomes several. So memory depends on these two numbers, not on the file.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # the others keep address space that limits count

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no stubs
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no stubs

from fanfold.builtin.planning import InputRefused
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self

BATCH_BYTES = 4 * 1024 * 1024
BATCH_ROWS = 64 * 1024
GROUP_BYTES = 64 * 1024 * 1024
SHOWN_CAUSE = 200


class ParquetSource:
    """One Parquet file that is read; every mistake in it becomes a refusal that names it."""

    def __init__(self, title: str, path: str) -> None:
        self.title = title
        with self._refusing():
            self._file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)
            self.schema = self._file.schema_arrow
            self._metadata = self._file.metadata
            self.num_groups: int = self._metadata.num_row_groups

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def group_bytes(self) -> list[int]:
        """What each row group takes in the file, in bytes; at least 1, whatever its footer says."""
        with self._refusing():
            groups = [self._metadata.row_group(number) for number in range(self.num_groups)]
            columns = range(self._metadata.num_columns)
            return [max(1, sum(group.column(at).total_compressed_size for at in columns)) for group in groups]

    def codec(self) -> str:
        """How its pages are compressed; the first column speaks for all."""
        if not self.num_groups or not self._metadata.num_columns:
            return "snappy"
        with self._refusing():
            name = self._metadata.row_group(0).column(0).compression.lower()
        return "none" if name == "uncompressed" else str(name)

    def tables(self, number: int) -> Iterator[Any]:
        """The rows of one row group, as tables to be written as a row group each."""
        batches: list[Any] = []
        held = 0
        for batch in self._batches(number):
            if batches and held + batch.nbytes > GROUP_BYTES:
                yield pa.Table.from_batches(batches, self.schema)
                batches, held = [], 0
            batches.append(batch)
            held += batch.nbytes
        if batches:
            yield pa.Table.from_batches(batches, self.schema)

    def _batches(self, number: int) -> Iterator[Any]:
        with self._refusing():
            group = self._metadata.row_group(number)
            per_row = max(1, group.total_byte_size // max(1, group.num_rows))
            rows = max(1, min(BATCH_ROWS, BATCH_BYTES // per_row))
            batches = self._file.iter_batches(batch_size=rows, row_groups=[number], use_threads=False)
        while True:
            with self._refusing():
                batch = next(batches, None)
                if batch is not None:
                    batch.validate()
            if batch is None:
                return
            yield batch

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise
        except (pa.ArrowException, OSError, ValueError, OverflowError) as err:
            if isinstance(err, OSError) and err.errno:
                raise  # the machine's, not the file's
            cause = shown(str(err).partition("\n")[0])[:SHOWN_CAUSE]
            raise InputRefused(f'"{shown(self.title)}" is no Parquet file that can be read: {cause}') from err


class ParquetTarget:
    """A Parquet file that is written to a descriptor, which stays open."""

    def __init__(self, descriptor: int, schema: Any, codec: str) -> None:
        self._stream = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - see __exit__
        known = codec == "none" or pa.Codec.is_available(codec)
        self._writer = pq.ParquetWriter(self._stream, schema, compression=codec if known else "snappy")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._stream.close()

    def write(self, tables: Iterable[Any]) -> None:
        """Appends tables, each as one row group."""
        for table in tables:
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))


def no_columns() -> Any:
    """The schema of a table of no columns."""
    return pa.schema([])


def difference(found: Any, expected: Any) -> str:
    """How two schemas differ, in words; "" where they do not. Metadata does not count."""
    if found.names != expected.names:
        return f"found the columns {_listed(found.names)}, expected {_listed(expected.names)}"
    for one, other in zip(found, expected, strict=True):
        if not one.equals(other, check_metadata=False):
            return f"column {_listed([one.name])} is {_kind(one)}, expected {_kind(other)}"
    return ""


def _listed(names: list[str]) -> str:
    return shown(", ".join(f'"{name}"' for name in names))[:SHOWN_CAUSE] or "none"


def _kind(field: Any) -> str:
    return shown(f"{field.type}{'' if field.nullable else ' not null'}")[:SHOWN_CAUSE]
