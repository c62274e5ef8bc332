"""A splitter gives the same chunks as a plan and as a program."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.builtin.running import partition, planned_named

TEXT = st.text(alphabet='ab\n\r,é"', max_size=60).map(lambda text: text.replace('"', '""').encode())
JSON = st.sampled_from([b"[]", b'[1, "]", {"a": [2]}, 3]', b"[" + b"1," * 50 + b"2]", b'{"a": 1}\n{"a": 2}\n', b""])
SIZE = st.sampled_from([{}, {"max_bytes": 9}, {"max_bytes": 40}, {"num_chunks": 1}, {"num_chunks": 5}])


def sized(record: str) -> st.SearchStrategy[dict[str, Any]]:
    return SIZE | st.sampled_from([{record: 1}, {record: 3}])


CASES = {
    "split-lines": (sized("lines"), TEXT),
    "split-csv": (sized("rows"), TEXT),
    "split-json": (sized("items"), JSON),
    "split-bytes": (SIZE, TEXT),
    "passthrough": (st.just({}), TEXT),
    "replicate": (st.just({"num_replicas": 2}), TEXT),
}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_plan_and_program_agree(tmp_path: Path, name: str, data: st.DataObject) -> None:
    sizes, content = CASES[name]
    params = data.draw(sizes)
    files = dict(zip(("a", "b.csv", "sub/c"), data.draw(st.lists(content, min_size=1, max_size=3)), strict=False))
    contents = list(files.values())
    chunks = planned_named(name, params, files)
    ran = partition(tmp_path, name, params, files)
    assert ran.status == 0, ran.stderr
    assert ran.labels == [chunk.label for chunk in chunks]
    assert ran.chunks == [
        chunk.prefix + contents[chunk.source][chunk.offset :][: chunk.length] + chunk.suffix for chunk in chunks
    ]
