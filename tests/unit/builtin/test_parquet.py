"""split-parquet and merge-parquet: the same table, whatever its types and row groups; hostile files in one sentence."""

import io
import json
import resource
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanfold.builtin.registry import load
from tests.pace import patience
from tests.unit.builtin.running import Ran, assemble, fill, fresh, partition, start

pytestmark = pytest.mark.needs(module="pyarrow")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MEMORY_BYTES = 192 << 20
SHORT = st.text(max_size=5)
TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.string(), SHORT),
    (pa.large_string(), SHORT),
    (pa.binary(), st.binary(max_size=5)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.decimal128(9, 2), st.integers(-999, 999).map(lambda cents: Decimal(cents).scaleb(-2))),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us", "Europe/Paris"), st.integers(0, 2**50)),
    (pa.timestamp("ns"), st.integers(0, 2**60)),
    (pa.duration("ms"), st.integers(-(2**40), 2**40)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b"])),
    (pa.list_(pa.int16()), st.lists(st.none() | st.integers(0, 9), max_size=3)),
    (pa.struct([("x", pa.int8()), ("y", pa.string())]), st.fixed_dictionaries({"x": st.integers(0, 9), "y": SHORT})),
    (
        pa.map_(pa.string(), pa.int8()),
        st.dictionaries(SHORT, st.integers(0, 9), max_size=2).map(lambda d: [*d.items()]),
    ),
]


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """A table of up to four columns of any types, with nulls."""
    rows = draw(st.integers(0, 12))
    chosen = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4))
    columns = [
        pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind) for kind, values in chosen
    ]
    return pa.Table.from_arrays(columns, names=[f"c{place}" for place in range(len(chosen))])


def written(table: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def opened(data: bytes) -> Any:
    return pq.ParquetFile(io.BytesIO(data))


def numbers(rows: int, group: int) -> bytes:
    return written(pa.table({"a": pa.array(range(rows), pa.int64())}), row_group_size=group)


def merged(tmp_path: Path, *contents: bytes, **params: object) -> Ran:
    return assemble(
        tmp_path, "merge-parquet", params, [(chunk, "t.parquet", data) for chunk, data in enumerate(contents)]
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=tables(),
    group=st.integers(1, 5),
    params=st.sampled_from([{}, {"row_groups": 1}, {"row_groups": 2}, {"max_bytes": 1}, {"num_chunks": 3}]),
    codec=st.sampled_from(["none", "snappy", "zstd", "gzip"]),
)
def test_split_and_merged_is_the_same_table_in_the_same_row_groups(
    tmp_path: Path, table: Any, group: int, params: dict[str, int], codec: str
) -> None:
    data = written(table, row_group_size=group, compression=codec)
    split = partition(tmp_path, "split-parquet", params, {"t.parquet": data})
    assert split.status == 0, split.stderr
    ran = merged(tmp_path, *split.chunks)
    assert ran.status == 0, ran.stderr
    before, after = opened(data), opened(ran.files["t.parquet"])
    assert after.read().equals(before.read())
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert row_groups(after) == row_groups(before)
    assert codecs(after) == codecs(before)


def row_groups(file: Any) -> list[int]:
    found = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    return [rows for rows in found if rows]


def codecs(file: Any) -> set[str]:
    return {
        file.metadata.row_group(number).column(0).compression
        for number in range(file.num_row_groups)
        if file.metadata.row_group(number).num_rows
    }


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        ({"row_groups": 1}, [10, 10, 10, 5]),
        ({"row_groups": 3}, [30, 5]),
        ({"row_groups": 99}, [35]),
        ({}, [35]),
        ({"max_bytes": 1}, [10, 10, 10, 5]),
        ({"num_chunks": 1}, [35]),
        ({"num_chunks": 100}, [10, 10, 10, 5]),
    ],
)
def test_a_chunk_is_whole_row_groups(tmp_path: Path, params: dict[str, int], rows: list[int]) -> None:
    ran = partition(tmp_path, "split-parquet", params, {"t.parquet": numbers(35, 10)})
    assert [opened(chunk).metadata.num_rows for chunk in ran.chunks] == rows, ran.stderr


def test_chunks_are_named_by_file_and_row_groups(tmp_path: Path) -> None:
    files = {"a.parquet": numbers(3, 1), "b.parquet": numbers(0, 1), "c.parquet": b""}
    ran = partition(tmp_path, "split-parquet", {"row_groups": 2}, files)
    assert ran.labels[:2] == ["a.parquet row groups 1-2", "a.parquet row group 3"]
    assert len(ran.labels) == 3
    assert opened(ran.chunks[2]).read().schema.names == ["a"]


def test_the_empty_file_of_a_job_without_input_gives_no_chunk(tmp_path: Path) -> None:
    ran = partition(tmp_path, "split-parquet", {}, {"empty": b""})
    assert (ran.status, ran.chunks) == (0, [])


def test_a_row_group_that_is_large_when_decoded_becomes_several(tmp_path: Path) -> None:
    table = pa.table({"text": pa.array(["x" * 1000]).take(pa.array([0] * 150_000))})
    data = written(table, row_group_size=150_000)
    assert len(data) < 100_000
    ran = partition(tmp_path, "split-parquet", {}, {"t.parquet": data})
    [chunk] = ran.chunks
    assert opened(chunk).num_row_groups > 1
    assert opened(chunk).read().equals(table)


def test_results_that_are_empty_are_left_out(tmp_path: Path) -> None:
    ran = merged(tmp_path, b"", numbers(2, 2), b"", numbers(0, 1), numbers(3, 3))
    assert opened(ran.files["t.parquet"]).read()["a"].to_pylist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("contents", [[], [b""]])
def test_no_results_are_a_table_of_no_columns(tmp_path: Path, contents: list[bytes]) -> None:
    ran = merged(tmp_path, *contents, output="none.parquet")
    assert ran.status == 0, ran.stderr
    assert opened(ran.files["none.parquet"]).read().shape == (0, 0)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (pa.table({"b": [1]}), 'found the columns "b", expected "a"'),
        (pa.table({"a": [1], "b": [1]}), 'found the columns "a", "b", expected "a"'),
        (pa.table({"a": ["x"]}), 'column "a" is string, expected int64'),
        (pa.table({"a": [1]}, pa.schema([pa.field("a", pa.int64(), nullable=False)])), 'column "a" is int64 not null'),
    ],
)
def test_another_schema_is_refused_with_its_chunk(tmp_path: Path, other: Any, told: str) -> None:
    ran = merged(tmp_path, numbers(1, 1), written(other))
    assert ran.status == 2
    assert ran.stderr.startswith(
        "the schema of t.parquet of chunk 1 (part 1) is not that of t.parquet of chunk 0 (part 0): "
    )
    assert told in ran.stderr


def test_columns_of_one_name_and_odd_names_are_kept(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["x"]), pa.array([2.5])], names=["a", "a", "\n\x1b[31m"])
    ran = partition(tmp_path, "split-parquet", {}, {"t.parquet": written(table)})
    assert opened(ran.chunks[0]).read().equals(table), ran.stderr


GOOD = numbers(5000, 1000)
BROKEN = {
    "text": b"a,b\n1,2\n" * 10,
    "magic only": b"PAR1",
    "magic twice": b"PAR1" * 4,
    "no footer": GOOD[: len(GOOD) // 2],
    "cut tail": GOOD[:-1],
    "footer of noise": b"PAR1" + b"\xff" * 60 + (40).to_bytes(4, "little") + b"PAR1",
    "footer longer than the file": b"PAR1" + b"\0" * 60 + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
    "encrypted footer": GOOD[:-4] + b"PARE",
    "pages of noise": GOOD[:4] + b"\xfe" * (len(GOOD) // 2) + GOOD[4 + len(GOOD) // 2 :],
    "pages of nothing": GOOD[:4] + bytes(len(GOOD) // 2) + GOOD[4 + len(GOOD) // 2 :],
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_parquet_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    ran = partition(tmp_path, "split-parquet", {}, {"evil\n.parquet": content})
    assert (ran.status, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert ran.stderr.startswith('"evil\ufffd.parquet" is no Parquet file that can be read: ')
    joined = merged(tmp_path, GOOD, content)
    assert (joined.status, joined.stderr.count("\n")) == (2, 1), joined.stderr
    assert joined.stderr.startswith('"t.parquet of chunk 1 (part 1)" is no Parquet file that can be read: ')


@pytest.mark.parametrize("tenth", range(10))
def test_flipped_bytes_end_in_rows_or_in_a_sentence(tmp_path: Path, tenth: int) -> None:
    at = len(GOOD) * tenth // 10 + 7
    ran = partition(tmp_path, "split-parquet", {"row_groups": 1}, {"t": GOOD[:at] + b"\x7f\x80\xff" + GOOD[at + 3 :]})
    assert ran.status in {0, 2}, ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_far_larger_than_memory_is_split_and_merged(tmp_path: Path) -> None:
    large = tmp_path / "source" / "t.parquet"
    large.parent.mkdir()
    group = pa.table({"a": pa.array(range(1 << 20), pa.int64())})
    with pq.ParquetWriter(large, group.schema, compression="none", use_dictionary=False) as writer:
        for _ in range(30):
            writer.write_table(group)
    assert large.stat().st_size > MEMORY_BYTES
    made = fresh(tmp_path / "results")
    environment = {"SOURCE_DIR": str(large.parent), "CHUNKS_DIR": str(made), "PARTITIONER_PARAMS": "{}"}
    assert start("partitioner", "split-parquet", environment, limit_memory) == (0, "")
    (made / "labels.json").unlink()
    environment = {"TASK_RESULTS_DIR": str(made), "OUTPUT_DIR": str(tmp_path), "ASSEMBLER_PARAMS": '{"output": "all"}'}
    assert start("assembler", "merge-parquet", environment, limit_memory) == (0, "")
    assert pq.read_metadata(tmp_path / "all").num_rows == 30 << 20


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


@pytest.mark.parametrize(("role", "name"), [("partitioner", "split-parquet"), ("assembler", "merge-parquet")])
def test_without_the_library_the_extra_is_named(tmp_path: Path, role: str, name: str) -> None:
    fill(tmp_path / "in", {"t.parquet": GOOD})
    fresh(tmp_path / "out")
    environment = dict.fromkeys(("SOURCE_DIR", "TASK_RESULTS_DIR"), str(tmp_path / "in"))
    environment |= dict.fromkeys(("CHUNKS_DIR", "OUTPUT_DIR"), str(tmp_path / "out"))
    assert start_bare(role, name, environment) == (
        2,
        "the library 'pyarrow' is missing: pip install 'fanfold[parquet]'\n",
    )


def start_bare(role: str, name: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run a block in an interpreter that finds Fanfold, and no library."""
    from subprocess import run

    path = load(role, name).path
    program = [sys.executable, "-S", "-P", path]
    found = {"PYTHONPATH": str(Path(path).parents[2])}
    ran = run(program, env=environment | found, capture_output=True, text=True, timeout=patience(25), check=False)
    return ran.returncode, ran.stderr


def test_params_exclude_each_other(tmp_path: Path) -> None:
    ran = partition(tmp_path, "split-parquet", {"row_groups": 1, "num_chunks": 2}, {"t": GOOD})
    assert ran.status == 2
    assert "exclude each other" in ran.stderr
    assert json.loads(json.dumps(load("partitioner", "split-parquet").schema))["dependentSchemas"]
