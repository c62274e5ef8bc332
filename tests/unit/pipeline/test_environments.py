"""The name of what runs a block changes with it."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.jobs.models import PinnedBlock, Role
from fanfold.pipeline.environments import Interpreters
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.environments import Environment
from tests.values import BLOCKS, a_job

ASKING = replace(
    BLOCKS.app, builtin=False, manifest={**BLOCKS.app.manifest, "platform_config": {"requirements": ["numpy>=2"]}}
)


class OneShelf:
    """Environments in memory."""

    def __init__(self) -> None:
        self.built: dict[tuple[str, ...], Environment] = {}

    def problem(self) -> str:
        return ""

    def find(self, requirements: Sequence[str]) -> Environment | None:
        return self.built.get(tuple(requirements))

    def locked(self, requirements: Sequence[str]) -> str:
        return "\n".join(f"{one} exactly" for one in requirements)

    def build(self, requirements: Sequence[str], stopped: Callable[[], bool]) -> Environment:
        return self.built.setdefault(tuple(requirements), Environment("/there/bin/python", f"lock {len(self.built)}"))


def on(python: str | Path) -> Interpreters:
    return Interpreters(str(python), ("own",), OneShelf())


def own(block: PinnedBlock) -> PinnedBlock:
    return replace(block, builtin=False)


def test_an_interpreter_has_one_name_by_whatever_way_it_is_found(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert on(link).name(BLOCKS.app) == on(sys.executable).name(BLOCKS.app) is not None


def test_another_interpreter_has_another_name_and_one_that_is_not_there_none(tmp_path: Path) -> None:
    python = tmp_path / "python"
    assert on(python).name(BLOCKS.app) is None
    python.write_text("one")
    before = on(python).name(BLOCKS.app)
    os.utime(python, (1, 1))
    assert before != on(python).name(BLOCKS.app) is not None


def test_a_block_runs_on_the_environment_it_asks_for_which_is_named_by_its_lock() -> None:
    interpreters = on("python3")
    with pytest.raises(BadInput, match="Retry the job"):
        interpreters.command(ASKING)
    assert interpreters.name(ASKING) is None
    interpreters.provide(a_job(blocks=replace(BLOCKS, app=ASKING)), lambda: False)
    assert interpreters.command(ASKING) == ("/there/bin/python",)
    assert interpreters.name(ASKING) == interpreters.lock(ASKING) == "lock 0"


def test_other_blocks_run_on_the_setting_and_built_in_ones_on_the_servers_own() -> None:
    interpreters = on("python3")
    assert interpreters.command(own(BLOCKS.app)) == ("python3",)
    assert interpreters.command(replace(BLOCKS.app, builtin=True)) == ("own",)
    assert interpreters.lock(BLOCKS.app) == ""


def test_nodes_are_given_their_own_interpreter_and_a_list_of_each_round(tmp_path: Path) -> None:
    interpreters = Interpreters("python3", ("own",), OneShelf(), Workspace(tmp_path, Effects()))
    job = a_job(blocks=replace(BLOCKS, app=ASKING))
    interpreters.provide(job, lambda: False)
    again = replace(job, round=job.round + 1)
    interpreters.provide(again, lambda: False)
    assert interpreters.command(ASKING) == ("python3",)
    lists = [interpreters.packages(one, Role.APP) for one in (job, again)]
    assert len(set(lists)) == 2
    assert [Path(one).read_text() for one in lists] == ["numpy>=2 exactly"] * 2
    assert interpreters.packages(job, Role.PARTITIONER) == ""
