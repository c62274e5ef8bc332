"""Orders: what a runner is told about a task."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.jobs.blocks import GIB
from fanfold.jobs.models import JobConfig, Role
from fanfold.jobs.task_lifecycle import Reason
from fanfold.pipeline.orders import OrderMaker
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.executor import Offer
from fanfold.services.caller_secrets import CallerSecrets
from fanfold.wiring import local_sources
from tests.values import BLOCKS, a_job, a_task


def maker(place: Path, environment: Mapping[str, str] = MappingProxyType({}), memory_bytes: int = 0) -> OrderMaker:
    """Makes orders for an executor that can give a program so much memory."""
    return OrderMaker(
        Workspace(place, Effects()),
        lambda _block: ("python",),
        CallerSecrets(environment),
        local_sources(Effects()),
        offer=lambda _need: Offer(1, memory_bytes=memory_bytes),
    )


def test_programs_that_were_imported_get_a_user_cache_apart_from_own_ones(tmp_path: Path) -> None:
    orders = maker(tmp_path)
    blocks = replace(BLOCKS, app=replace(BLOCKS.app, imported=True))
    job = a_job(blocks=blocks)
    caches = {role: orders.order(job, a_task(role=role)).env[contract.USER_CACHE_DIR] for role in Role}
    assert caches[Role.PARTITIONER] == caches[Role.ASSEMBLER] == str(tmp_path / "caches/user/ann")
    assert caches[Role.APP] == str(tmp_path / "caches/imported/ann")
    assert Path(caches[Role.APP]).is_dir()


def test_a_program_gets_the_secrets_of_its_own_block_and_no_built_in_one_is_asked(tmp_path: Path) -> None:
    environment = {"KEY": "s3cret-value", "OTHER": "x"}
    orders = maker(tmp_path, environment)
    manifest = {**BLOCKS.app.manifest, "platform_config": {"secrets": ["key"]}}
    job = a_job(blocks=replace(BLOCKS, app=replace(BLOCKS.app, builtin=False, manifest=manifest)))
    given = {role: orders.order(job, a_task(role=role)) for role in Role}
    assert {role: order.secrets for role, order in given.items()} == {role: {} for role in Role} | {
        Role.APP: {"KEY": "s3cret-value"}
    }
    assert "s3cret-value" not in repr(given)


@pytest.mark.parametrize(("name", "trusted"), [("split-lines", True), ("split-parquet", False)])
def test_built_in_programs_that_decode_files_by_foreign_libraries_run_behind_walls(
    tmp_path: Path, name: str, trusted: bool
) -> None:
    orders = maker(tmp_path)
    job = a_job(blocks=replace(BLOCKS, partitioner=replace(BLOCKS.partitioner, name=name, builtin=True)))
    assert orders.order(job, a_task(role=Role.PARTITIONER)).trusted is trusted


@pytest.mark.parametrize(
    ("reason", "failures", "most_gib", "expected_gib"),
    [
        ("", 0, 8, 1),
        (Reason.OUT_OF_MEMORY.value, 1, 8, 2),
        (Reason.OUT_OF_MEMORY.value, 2, 8, 4),
        (Reason.OUT_OF_MEMORY.value, 2, 3, 3),
        (Reason.OUT_OF_MEMORY.value, 50, 0.5, 1),
        (Reason.OUT_OF_MEMORY.value, 1, None, 1),
        (Reason.EXIT_CODE.value, 1, 8, 1),
    ],
)
def test_memory_grows_only_after_it_ran_out_and_only_up_to_what_the_job_allows(
    reason: str, failures: int, most_gib: float | None, expected_gib: int, tmp_path: Path
) -> None:
    orders = maker(tmp_path)
    most = None if most_gib is None else int(most_gib * 1024**3)
    job = a_job(blocks=BLOCKS, config=JobConfig(max_memory_bytes=most))
    order = orders.order(job, a_task(reason=reason, failures=failures))
    assert order.device.memory_bytes == expected_gib * 1024**3


@pytest.mark.parametrize(("offered_gib", "expected_gib"), [(6, 6), (2, 2), (0.5, 1), (0, 8)])
def test_memory_does_not_grow_beyond_what_any_runner_has(offered_gib: float, expected_gib: int, tmp_path: Path) -> None:
    orders = maker(tmp_path, memory_bytes=int(offered_gib * GIB))
    job = a_job(blocks=BLOCKS, config=JobConfig(max_memory_bytes=64 * GIB))
    order = orders.order(job, a_task(reason=Reason.OUT_OF_MEMORY.value, failures=3))
    assert order.device.memory_bytes == expected_gib * GIB
