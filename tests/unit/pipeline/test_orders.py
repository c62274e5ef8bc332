"""Orders: what a runner is told about a task."""

from dataclasses import replace
from pathlib import Path

from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.jobs.models import Role
from fanfold.pipeline.orders import OrderMaker
from fanfold.pipeline.workspace import Workspace
from fanfold.services.caller_secrets import CallerSecrets
from tests.values import BLOCKS, a_job, a_task


def test_programs_that_were_imported_get_a_user_cache_apart_from_own_ones(tmp_path: Path) -> None:
    orders = OrderMaker(Workspace(tmp_path, Effects()), ("python",), ("python",), CallerSecrets({}))
    blocks = replace(BLOCKS, app=replace(BLOCKS.app, imported=True))
    job = a_job(blocks=blocks)
    caches = {role: orders.order(job, a_task(role=role)).env[contract.USER_CACHE_DIR] for role in Role}
    assert caches[Role.PARTITIONER] == caches[Role.ASSEMBLER] == str(tmp_path / "caches/user/ann")
    assert caches[Role.APP] == str(tmp_path / "caches/imported/ann")
    assert Path(caches[Role.APP]).is_dir()


def test_a_program_gets_the_secrets_of_its_own_block_and_no_built_in_one_is_asked(tmp_path: Path) -> None:
    environment = {"KEY": "s3cret-value", "OTHER": "x"}
    orders = OrderMaker(Workspace(tmp_path, Effects()), ("python",), ("python",), CallerSecrets(environment))
    manifest = {**BLOCKS.app.manifest, "platform_config": {"secrets": ["key"]}}
    job = a_job(blocks=replace(BLOCKS, app=replace(BLOCKS.app, builtin=False, manifest=manifest)))
    given = {role: orders.order(job, a_task(role=role)) for role in Role}
    assert {role: order.secrets for role, order in given.items()} == {role: {} for role in Role} | {
        Role.APP: {"KEY": "s3cret-value"}
    }
    assert "s3cret-value" not in repr(given)
