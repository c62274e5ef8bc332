"""Values as they may come, for tests with Hypothesis: every field of every kind, odd texts and large numbers too."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from fanfold.jobs.blocks import Device
from fanfold.jobs.chunks import FileChunk, RangeChunk
from fanfold.jobs.models import (
    AttemptKey,
    BlockTags,
    DataRef,
    Job,
    JobBlocks,
    JobConfig,
    JobParams,
    JobState,
    OnFailure,
    PinnedBlock,
    Priority,
    Regions,
    ResultFile,
    ResultManifest,
    Role,
    Tally,
    Task,
    TaskKey,
    TaskState,
    Usage,
)
from fanfold.jobs.task_lifecycle import GivenBack, ProgramFailed, Reason, RunnerLost, Succeeded
from fanfold.ports.executor import Input, RunOrder, Told

# What a database and a UTF-8 file take: no lone surrogates, no NUL.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(LETTERS, max_size=12)
counts = st.integers(0, 2**62)
small = st.integers(0, 1000)
seconds = st.floats(0, 1e9)
times = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
chips = st.decimals(0, Decimal(99999999), places=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
json_objects = st.dictionaries(texts, json_values, max_size=2)
text_tuples = st.lists(texts, max_size=2).map(tuple)

file_chunks = st.builds(FileChunk, texts, counts, texts)
range_chunks = st.builds(RangeChunk, texts, texts, counts, counts, st.binary(), st.binary(), texts)
chunks = file_chunks | range_chunks
result_files = st.builds(ResultFile, texts, counts, texts)
result_manifests = st.builds(ResultManifest, counts, counts, st.none() | st.lists(result_files, max_size=3).map(tuple))
usages = st.builds(Usage, seconds, counts, counts, counts)
task_keys = st.builds(TaskKey, texts, st.sampled_from(Role), small)
attempt_keys = st.builds(AttemptKey, task_keys, small)

configs = st.builds(
    JobConfig,
    task_timeout_s=seconds,
    job_timeout_s=seconds,
    max_failed_tasks_percent=st.floats(0, 100),
    on_failure=st.sampled_from(OnFailure),
    max_concurrency=st.none() | small,
    max_memory_bytes=st.none() | counts,
    max_cost=st.none() | chips,
    retention_days=seconds,
)
pinned_blocks = st.builds(PinnedBlock, texts, texts, texts, small, texts, texts, st.booleans(), json_objects)
jobs = st.builds(
    Job,
    id=texts.filter(bool),
    account_id=texts,
    created_at=times,
    name=texts,
    description=texts,
    template_id=texts,
    tags=st.builds(BlockTags, texts, texts, texts),
    config=configs,
    priority=st.sampled_from(Priority),
    regions=st.builds(Regions, text_tuples, text_tuples),
    params=st.builds(JobParams, json_objects, json_objects, json_objects, texts),
    data_source=st.builds(DataRef, texts, json_objects),
    data_destination=st.builds(DataRef, texts, json_objects),
    start_at=st.none() | times,
    state=st.sampled_from(JobState),
    revision=counts,
    round=small,
    submitted_at=st.none() | times,
    started_at=st.none() | times,
    ended_at=st.none() | times,
    deleted_at=st.none() | times,
    due_at=st.none() | times,
    deadline_at=st.none() | times,
    paused_at=st.none() | times,
    abort_asked_by=texts,
    state_timestamps=st.dictionaries(st.sampled_from(JobState), times),
    blocks=st.none() | st.builds(JobBlocks, pinned_blocks, pinned_blocks, pinned_blocks),
    num_chunks=st.none() | small,
    stop_above_failures=small,
    partial=st.booleans(),
    waiting_reason=texts,
    failure_reason=texts,
    error_message=texts,
    warnings=text_tuples,
    num_units_estimation=texts,
    payment_amount=chips,
    tally=st.just(Tally()),
)
tasks = st.builds(
    Task,
    key=task_keys,
    created_at=times,
    chunk=st.none() | chunks,
    label=texts,
    state=st.sampled_from(TaskState),
    attempt=small,
    fence=small,
    failures=small,
    losses=small,
    due_at=times,
    lease_until=times,
    runner=texts,
    region=texts,
    assigned_at=st.none() | times,
    received_at=st.none() | times,
    started_at=st.none() | times,
    ended_at=st.none() | times,
    exit_code=st.none() | st.integers(0, 255),
    reason=texts,
    error_message=texts,
    usage=usages,
    result=st.none() | result_manifests,
)

_outcome = {"attempt": attempt_keys, "at": times, "usage": usages, "started_at": st.none() | times, "runner": texts}
_told = {"reason": st.sampled_from(Reason), "message": texts}
outcomes = st.one_of(
    st.builds(Succeeded, **_outcome, result=result_manifests),
    st.builds(ProgramFailed, **_outcome, **_told, exit_code=st.none() | st.integers(0, 255), final=st.booleans()),
    st.builds(RunnerLost, **_outcome, **_told),
    st.builds(GivenBack, **_outcome),
)
tellings = st.builds(Told, attempt_keys, st.booleans(), times, texts)
orders = st.builds(
    RunOrder,
    attempt=attempt_keys,
    number=small,
    folder=texts,
    package=texts,
    entrypoint=texts,
    interpreter=text_tuples,
    platform=texts,
    inputs=st.lists(st.builds(Input, texts, texts, st.none() | chunks), max_size=3).map(tuple),
    inputs_file=texts,
    env=st.dictionaries(texts, texts, max_size=3),
    params=json_objects.map(str),
    timeout_s=seconds,
    device=st.builds(Device, seconds, counts, text_tuples),
    hash_results=st.booleans(),
    avoid_runner=texts,
)
