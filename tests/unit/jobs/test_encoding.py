"""Chunks and results keep every bit on their way through JSON."""

import json

from hypothesis import given

from fanfold.jobs.chunks import Chunk, RangeChunk
from fanfold.jobs.encoding import chunk_json, chunk_of, result_json, result_of
from fanfold.jobs.models import ResultManifest
from tests import strategies


@given(strategies.chunks)
def test_a_chunk_comes_back_as_it_was(chunk: Chunk) -> None:
    assert chunk_of(json.loads(json.dumps(chunk_json(chunk)))) == chunk


@given(strategies.result_manifests)
def test_a_result_comes_back_as_it_was(manifest: ResultManifest) -> None:
    assert result_of(json.loads(json.dumps(result_json(manifest)))) == manifest


def test_a_range_is_as_large_as_its_app_sees_it() -> None:
    assert RangeChunk("/in", "tag", 100, 50, b"head\n", b"]").size_bytes == 56
