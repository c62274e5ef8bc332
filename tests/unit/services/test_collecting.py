"""Garbage is what is old and no row wants; what somebody is about to want is left alone."""

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.errors import NotFound
from fanfold.jobs.blocks import BlockType
from fanfold.jobs.lifecycle import Aborted, RunAccepted
from fanfold.jobs.models import DataRef
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.blocks import BlockRecord
from fanfold.ports.uploads import Upload
from fanfold.runner.environments import UvEnvironments
from fanfold.services.audit import AuditLog
from fanfold.services.block_files import BlockFiles
from fanfold.services.blocks import BlockService
from fanfold.services.collecting import ENVIRONMENT_NEW_FOR, NEW_FOR, UPLOAD_NEW_FOR, Collector
from fanfold.services.pushes import Beside
from fanfold.services.registry_tokens import RegistryTokens
from fanfold.services.sealing import Sealer
from fanfold.services.templates import TemplateService
from fanfold.stores.access import SqlAccess
from fanfold.stores.blocks import SqlBlocks
from fanfold.stores.secrets import SqlSecrets
from fanfold.stores.storage_use import SqlStorageUse
from fanfold.stores.templates import SqlTemplates
from tests.people import People, people_of_a_server
from tests.shelf import Shelf
from tests.unit.hostile_archives import zip_of
from tests.values import NOON, ROAD

APP = (BlockType.APP,)
OURS = "default"


@dataclass
class Depot:
    """A server's storage and all that fills it; every part is real."""

    shelf: Shelf
    people: People
    effects: Effects

    def __post_init__(self) -> None:
        database, clock, root = self.shelf.store.database, self.shelf.clock, self.shelf.root
        self.files = BlockFiles(root, self.effects, clock)
        sealer = Sealer(root.parent / "master-key.json", Effects())
        tokens = RegistryTokens(SqlSecrets(database), sealer, clock)
        templates = TemplateService(SqlTemplates(database), clock)
        self.blocks = BlockService(SqlBlocks(database), templates, self.files, self.effects, clock, tokens)
        use, audit = SqlStorageUse(database), AuditLog(SqlAccess(self.people.database), clock)
        built = UvEnvironments(root / "environments", sys.executable, self.effects, index="none")
        workspace = Workspace(root, self.effects)
        self.collector = Collector(self.files, workspace, use, audit, self.effects, clock, environments=built)

    def push(self, program: bytes = b"1", name: str = "app") -> BlockRecord:
        manifest = {"name": name, "version": "0.1"}
        archive = io.BytesIO(zip_of({"app/main.py": program}))
        block = self.blocks.push(OURS, APP, Beside(manifest=manifest), archive).block
        return self.blocks.activate(OURS, APP, block.tag)

    def run(self, block: BlockRecord, job_id: str = "job") -> None:
        """A job that is pinned to a block."""
        job = self.shelf.drafted(job_id, account_id=OURS)
        event = next(event for event in ROAD if isinstance(event, RunAccepted))
        pinned = self.blocks.find(block.tag, BlockType.APP, OURS).pinned
        self.shelf.stepped(job_id, replace(event, blocks=replace(event.blocks, app=pinned), config=job.config))

    def age(self, by: timedelta = NEW_FOR) -> None:
        """Make all that lies there older than `by`, by the turned clock."""
        then = (self.shelf.clock.now() - by).timestamp() - 1
        for path in self.shelf.root.rglob("*"):
            os.utime(path, (then, then), follow_symlinks=False)

    def collect(self) -> set[str]:
        seen = {garbage.name for garbage in self.collector.look()}
        gone = {garbage.name for garbage in self.collector.collect(self.people.admin)}
        assert gone == seen
        assert self.collector.look() == []
        return gone


@pytest.fixture
def depot(shelf: Shelf) -> Any:
    with people_of_a_server() as people:
        yield Depot(shelf, people, Effects())


def test_a_deleted_block_goes_when_it_is_old(depot: Depot) -> None:
    kept, gone = depot.push(b"kept", "kept"), depot.push(b"gone", "gone")
    depot.blocks.delete(OURS, APP, gone.tag)
    assert depot.collect() == set()
    depot.age()
    assert depot.collect() == {gone.archive, gone.package}
    assert depot.files.path(kept.archive).is_file()
    assert (depot.files.path(kept.package) / "main.py").read_bytes() == b"kept"
    assert not depot.files.path(gone.package).exists()
    assert list(depot.files.path("pushes").iterdir()) == []


def test_what_is_told_is_how_large_it_is(depot: Depot) -> None:
    block = depot.push(b"x" * 1000)
    depot.blocks.delete(OURS, APP, block.tag)
    depot.age()
    sizes = {garbage.name: garbage.size_bytes for garbage in depot.collector.look()}
    assert sizes == {block.package: 1000, block.archive: depot.files.path(block.archive).stat().st_size}


def test_an_earlier_revision_goes_unless_a_job_or_an_import_has_it(depot: Depot) -> None:
    first, second = depot.push(b"1"), depot.push(b"2")
    depot.run(second)
    depot.blocks.publish(OURS, APP, "app")
    depot.blocks.activate(OURS, APP, "app")
    theirs = depot.blocks.import_("theirs", APP, "app")
    third = depot.push(b"3")
    depot.age()
    assert depot.collect() == {first.archive, first.package}
    assert theirs.package == second.package != third.package
    depot.blocks.delete("theirs", APP, "app")
    assert depot.collect() == {second.archive}
    assert depot.files.path(second.package).is_dir()


def test_a_jobs_program_stays_as_long_as_its_files(depot: Depot) -> None:
    block = depot.push()
    depot.run(block)
    depot.shelf.stepped("job", Aborted("ann"))
    depot.shelf.workspace.job("job").make()
    depot.blocks.delete(OURS, APP, block.tag)
    depot.age()
    assert depot.collect() == {block.archive}
    depot.shelf.workspace.job("job").remove()
    assert depot.collect() == {block.package}


def test_the_same_program_under_two_names_is_kept_for_the_other(depot: Depot) -> None:
    one = depot.push(b"same", "app")
    depot.blocks.delete(OURS, APP, one.tag)
    again = depot.push(b"same", "app")
    assert again.package == one.package
    depot.age()
    assert depot.collect() == set()


@pytest.mark.parametrize("folder", ["archives", "packages"])
def test_what_was_left_half_written_goes(depot: Depot, folder: str) -> None:
    depot.push()
    part = depot.files.path(f"{folder}/.abc.part")
    part.mkdir()
    (part / "main.py").write_bytes(b"half")
    depot.age()
    assert depot.collect() == {f"{folder}/.abc.part"}


def test_a_link_is_removed_and_never_followed(depot: Depot, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_bytes(b"x" * 10)
    depot.push()
    depot.files.path("packages/link").symlink_to(tmp_path / "precious")
    depot.age()
    assert depot.collect() == {"packages/link"}
    assert (tmp_path / "precious" / "file").exists()


# ---- what comes to be wanted while garbage is looked for


class Meanwhile(Effects):
    """Does something just before the first removal."""

    def __init__(self) -> None:
        self.then: Callable[[], object] | None = None

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        if path.name == "pushes" and self.then is not None:
            then, self.then = self.then, None
            then()


def test_a_push_of_the_same_program_meanwhile_keeps_it(shelf: Shelf) -> None:
    effects = Meanwhile()
    with people_of_a_server() as people:
        depot = Depot(shelf, people, effects)
        block = depot.push()
        depot.blocks.delete(OURS, APP, block.tag)
        depot.age()
        effects.then = lambda: Depot(shelf, people, Effects()).push()
        assert depot.collector.collect(people.admin) == []
        assert depot.blocks.find("app", BlockType.APP, OURS).pinned.package == block.package
        assert (depot.files.path(block.package) / "main.py").is_file()


def test_a_block_whose_files_are_gone_is_told_and_not_run(depot: Depot) -> None:
    block = depot.push()
    Effects().remove_tree(depot.files.path(block.package))
    with pytest.raises(NotFound, match="push it again"):
        depot.blocks.find("app", BlockType.APP, OURS)


class Killed(Exception):
    pass


class Dying(Effects):
    """Ends at the effect that it is told."""

    def __init__(self) -> None:
        self.left: int | None = None

    def about_to(self, kind: str, what: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed(f"{kind} {what}")


def test_killed_at_any_effect_it_loses_nothing_and_the_next_start_removes_what_is_left(tmp_path: Path) -> None:
    for left in range(1000):
        (tmp_path / str(left)).mkdir()
        shelf = Shelf(tmp_path / str(left) / "state")
        effects = Dying()
        with people_of_a_server() as people:
            depot = Depot(shelf, people, effects)
            kept, gone = depot.push(b"kept", "kept"), depot.push(b"gone", "gone")
            depot.blocks.delete(OURS, APP, gone.tag)
            depot.age()
            effects.left = left
            try:
                depot.collector.collect(people.admin)
                ended = True
            except Killed:
                ended = False
            effects.left = None
            depot.blocks.sweep()
            depot.collect()
            there = {path.name for path in (shelf.root / "packages").iterdir()}
            assert there == {Path(kept.package).name}
            assert not (shelf.root / "pushes").exists() or not list((shelf.root / "pushes").iterdir())
        shelf.store.close()
        if ended:
            assert left > 3
            return
    raise AssertionError("it never ended")


# ---- uploads


def test_a_drafts_upload_stays_and_what_was_replaced_or_cut_short_goes(depot: Depot) -> None:
    job = depot.shelf.drafted("draft", data_source=DataRef("file"))
    depot.shelf.uploads.put(Upload(job.id, job.account_id, "n", "now", 3, "", NOON))
    source = depot.shelf.workspace.job("draft").source
    source.mkdir(parents=True)
    for name in ("now", "before", ".half.part"):
        (source / name).write_bytes(b"abc")
    depot.age(timedelta(hours=23))
    assert depot.collect() == set()
    depot.age(UPLOAD_NEW_FOR)
    assert depot.collect() == {"draft/before", "draft/.half.part"}
    assert (source / "now").read_bytes() == b"abc"


def test_files_of_a_job_that_runs_are_not_looked_at(depot: Depot) -> None:
    block = depot.push()
    depot.run(block)
    source = depot.shelf.workspace.job("job").source
    source.mkdir(parents=True)
    (source / "input").write_bytes(b"abc")
    depot.age(UPLOAD_NEW_FOR)
    assert depot.collect() == set()


def test_an_environment_goes_a_month_after_it_was_asked_for(depot: Depot) -> None:
    folder = depot.files.path("environments") / ("a" * 64)
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "module.py").write_bytes(b"x = 1\n")
    for path in (folder / "lib", folder):
        path.chmod(0o555)
    (depot.files.path("environments") / "locks").mkdir()
    depot.age(timedelta(days=29))
    assert depot.collect() == set()
    depot.age(ENVIRONMENT_NEW_FOR)
    assert depot.collect() == {f"environments/{'a' * 64}"}
    assert [path.name for path in depot.files.path("environments").iterdir()] == ["locks"]


def test_it_is_in_the_audit_log(depot: Depot) -> None:
    block = depot.push()
    depot.blocks.delete(OURS, APP, block.tag)
    depot.age()
    depot.collect()
    [entry] = [entry for entry in SqlAccess(depot.people.database).entries("", 10, 0)[0] if "collect" in entry.action]
    assert entry.data["count"] == 2
