"""Blocks of a server: pushed, checked, activated, shared, found by tag, guarded against deletion."""

import base64
import gzip
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput, BadManifest, Conflict, NotAllowedNow, NotFound
from fanfold.jobs.blocks import BlockType
from fanfold.jobs.lifecycle import Aborted, RunAccepted, step
from fanfold.jobs.models import BlockTags, DataRef, JobBlocks, JobConfig
from fanfold.ports.blocks import BlockFilter, BlockRecord, BlockStatus
from fanfold.services.block_files import BlockFiles
from fanfold.services.blocks import BlockService, Pushed
from fanfold.services.caller_secrets import CallerSecrets
from fanfold.services.packages import ReadBlock
from fanfold.services.pushes import Beside
from fanfold.services.registry_tokens import RegistryTokens
from fanfold.services.sealing import Sealer
from fanfold.services.templates import TemplateService
from fanfold.services.validation import Validator
from fanfold.stores.blocks import SqlBlocks
from fanfold.stores.secrets import SqlSecrets
from fanfold.stores.sqlite import SqliteStore
from fanfold.stores.templates import SqlTemplates
from tests.people import TurnedClock
from tests.unit.hostile_archives import tar_of_files, zip_of
from tests.values import a_job, after

APP = (BlockType.APP,)
ENGINES = (BlockType.PARTITIONER, BlockType.ASSEMBLER)
ALL = (*APP, *ENGINES)


@dataclass
class Registry:
    """The block service of a server, with real parts."""

    root: Path
    store: SqliteStore
    clock: TurnedClock
    templates: TemplateService
    blocks: BlockService
    tokens: RegistryTokens

    def push(self, account: str = "ann", types: tuple[BlockType, ...] = ALL, **manifest: Any) -> Pushed:
        return self.push_files(account, types, {"app/main.py": b"print('hello')\n"}, **manifest)

    def push_files(self, account: str, types: tuple[BlockType, ...], files: dict[str, bytes], **more: Any) -> Pushed:
        manifest = {"name": "word-count", "version": "0.1", **more}
        return self.blocks.push(account, types, Beside(manifest=manifest), io.BytesIO(zip_of(files)))

    def active(self, account: str = "ann", **manifest: Any) -> BlockRecord:
        block = self.push(account, **manifest).block
        return self.blocks.activate(account, (block.type,), block.tag)

    def public(self, account: str, **manifest: Any) -> BlockRecord:
        block = self.active(account, **manifest)
        return self.blocks.publish(account, (block.type,), block.tag)

    def program(self, found: ReadBlock) -> dict[str, bytes]:
        folder = self.root / found.pinned.package
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def kept(self) -> set[str]:
        """The places of the job storage that hold something."""
        return {path.name for path in self.root.iterdir() if path.name != "pushes" or list(path.iterdir())}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    store, clock = SqliteStore(None, Effects()), TurnedClock()
    templates = TemplateService(SqlTemplates(store.database), clock)
    root = tmp_path / "state"
    root.mkdir()
    sealer = Sealer(tmp_path / "master-key.json", Effects())
    tokens = RegistryTokens(SqlSecrets(store.database), sealer, clock)
    blocks = BlockService(
        SqlBlocks(store.database), templates, BlockFiles(root, Effects(), clock), Effects(), clock, tokens
    )
    return Registry(root, store, clock, templates, blocks, tokens)


def problems(refused: pytest.ExceptionInfo[BadInput]) -> set[str]:
    return {problem.field for problem in refused.value.problems}


# ---- pushing


@pytest.mark.parametrize("made", [zip_of, tar_of_files])
@pytest.mark.parametrize("top", ["", "word-count/", "./"])
def test_a_block_folder_is_taken_whole_with_or_without_a_folder_around_it(
    registry: Registry, made: Callable[[dict[str, bytes]], bytes], top: str
) -> None:
    manifest = json.dumps({"name": "word-count", "version": "0.1"}).encode()
    files = {"app/main.py": b"1", "app/more/x.txt": b"2", "manifest.json": manifest, "schema.json": b"{}"}
    data = made({f"{top}{name}": content for name, content in files.items()})
    block = registry.blocks.push("ann", APP, Beside(), io.BytesIO(data)).block
    assert (block.name, block.version, block.type, block.revision) == ("word-count", "0.1", BlockType.APP, 1)
    assert block.status is BlockStatus.INACTIVE
    registry.blocks.activate("ann", APP, "word-count")
    found = registry.blocks.find("word-count", BlockType.APP, "ann")
    assert registry.program(found) == {"main.py": b"1", "more/x.txt": b"2"}


def test_what_is_in_the_app_folder_will_do(registry: Registry) -> None:
    registry.push_files("ann", APP, {"main.py": b"1", "app/inner.py": b"2"})
    registry.blocks.activate("ann", APP, "word-count")
    found = registry.blocks.find("word-count", BlockType.APP, "ann")
    assert registry.program(found) == {"main.py": b"1", "app/inner.py": b"2"}


def test_the_archive_is_kept_byte_for_byte_under_its_hash(registry: Registry) -> None:
    data = tar_of_files({"app/main.py": b"1"})
    beside = Beside(manifest={"name": "a", "version": "0.1"})
    registry.blocks.push("ann", APP, beside, io.BytesIO(data))
    block, path = registry.blocks.archive("ann", APP, "a")
    assert path.read_bytes() == data
    assert base64.b64decode(block.hash) == hashlib.sha256(data).digest()


def test_a_sent_manifest_wins_over_the_one_in_the_archive(registry: Registry) -> None:
    inside = b'{"name": "inside", "version": "0.1"}'
    block = registry.push_files("ann", APP, {"app/main.py": b"", "manifest.json": inside}, name="beside").block
    assert block.name == "beside"


def test_a_file_of_requirements_in_the_archive_becomes_part_of_the_manifest(registry: Registry) -> None:
    files = {"app/main.py": b"", "requirements.txt": b"numpy>=2\n", "manifest.json": b'{"name": "a", "version": "0.1"}'}
    block = registry.blocks.push("ann", APP, Beside(), io.BytesIO(zip_of(files))).block
    assert block.manifest["platform_config"] == {"requirements": ["numpy>=2"]}
    with pytest.raises(BadManifest) as refused:
        registry.push_files("ann", APP, {"app/main.py": b"", "requirements.txt": b"-e ."})
    assert problems(refused) == {"platform_config.requirements"}
    with pytest.raises(BadManifest, match="not UTF-8"):
        registry.push_files("ann", APP, {"app/main.py": b"", "requirements.txt": b"\xff"})


def test_pushing_again_overwrites_raises_the_revision_and_asks_for_a_new_activation(registry: Registry) -> None:
    first = registry.active()
    registry.clock.turn(5)
    again = registry.push_files("ann", APP, {"app/main.py": b"new"}).block
    assert (again.id, again.revision, again.status) == (first.id, 2, BlockStatus.INACTIVE)
    assert (again.created_at, again.updated_at) == (first.created_at, after(5))
    with pytest.raises(NotAllowedNow, match="inactive"):
        registry.blocks.find("word-count", BlockType.APP, "ann")


def test_a_job_keeps_the_revision_it_resolved(registry: Registry) -> None:
    registry.active()
    before = registry.blocks.find("word-count", BlockType.APP, "ann")
    registry.push_files("ann", APP, {"app/main.py": b"new"})
    registry.blocks.activate("ann", APP, "word-count")
    now = registry.blocks.find("word-count", BlockType.APP, "ann")
    assert (before.pinned.revision, now.pinned.revision) == (1, 2)
    assert registry.program(before) == {"main.py": b"print('hello')\n"}
    assert registry.program(now) == {"main.py": b"new"}


def test_every_problem_of_every_part_is_named_at_once(registry: Registry) -> None:
    beside = Beside(
        manifest={"name": "no/good", "version": "1.2.3", "device_requirements": {"min_cpu": -1}},
        schema={"type": "nonsense"},
        template={"id": "a b", "app": "what?", "params": 5},
    )
    with pytest.raises(BadManifest) as refused:
        registry.blocks.push("ann", APP, beside, io.BytesIO(zip_of({"../out": b""})))
    manifest = {"name", "version", "device_requirements.min_cpu"}
    assert problems(refused) == {"archive", "schema", "template.id", "template.app", "template.params", *manifest}
    assert registry.kept() <= {"pushes"}


def test_a_version_of_three_numbers_is_refused_by_its_field(registry: Registry) -> None:
    with pytest.raises(BadManifest) as refused:
        registry.push(version="1.2.3")
    assert problems(refused) == {"version"}
    assert "'1.2.3'" in str(refused.value)


def test_an_entry_point_that_is_not_there_is_refused(registry: Registry) -> None:
    with pytest.raises(BadManifest) as refused:
        registry.push(entrypoint="other.py")
    assert problems(refused) == {"entrypoint"}


def test_an_archive_without_a_manifest_is_refused(registry: Registry) -> None:
    with pytest.raises(BadManifest) as refused:
        registry.blocks.push("ann", APP, Beside(), io.BytesIO(zip_of({"app/main.py": b""})))
    assert problems(refused) == {"manifest"}


def test_a_broken_json_file_in_the_archive_is_named(registry: Registry) -> None:
    with pytest.raises(BadManifest) as refused:
        registry.push_files("ann", APP, {"app/main.py": b"", "schema.json": b"[" * 100_000})
    assert problems(refused) == {"schema"}


def test_an_engine_is_not_an_app(registry: Registry) -> None:
    with pytest.raises(BadManifest) as refused:
        registry.push(types=APP, type="assembler")
    assert problems(refused) == {"type"}


def test_a_large_schema_and_one_that_refers_elsewhere_are_refused(registry: Registry) -> None:
    archive = zip_of({"app/main.py": b""})
    for schema in ({"$comment": "x" * 300_000}, {"$ref": "http://127.0.0.1:1/schema"}, {"$ref": "file:///etc/passwd"}):
        with pytest.raises(BadManifest) as refused:
            registry.blocks.push("ann", APP, Beside({"name": "a", "version": "0.1"}, schema), io.BytesIO(archive))
        assert problems(refused) == {"schema"}


TOKENS: list[dict[str, Any]] = [
    {"platform_config": {"private_image": True, "username": "ann", "token": "hunter2"}},
    {"platformConfig": {"token": "hunter2"}},
]


@pytest.mark.parametrize("made", [zip_of, tar_of_files])
@pytest.mark.parametrize("top", ["", "a/"])
@pytest.mark.parametrize("platform", TOKENS)
def test_a_registry_token_is_sealed_wherever_it_stands_and_in_no_file(
    registry: Registry, platform: dict[str, Any], top: str, made: Callable[[dict[str, bytes]], bytes]
) -> None:
    manifest = {"name": "a", "version": "0.1", "description": "\u00e9", **platform}
    inside = {f"{top}app/main.py": b"x = 1", f"{top}manifest.json": json.dumps(manifest).encode()}
    for beside in (Beside(), Beside(manifest), Beside({"name": "a", "version": "0.1"})):
        block = registry.blocks.push("ann", APP, beside, io.BytesIO(made(inside))).block
        found = registry.tokens.find("ann", BlockType.APP, "a", "0.1")
        assert found is not None
        assert found.secret_key == "hunter2"
        assert "hunter2" not in repr(block)
        _, archive = registry.blocks.archive("ann", APP, "a")
        assert base64.b64encode(hashlib.sha256(archive.read_bytes()).digest()).decode() == block.hash
        again = registry.blocks.push("ann", APP, Beside(), io.BytesIO(archive.read_bytes())).block
        assert again.hash == block.hash
        registry.blocks.activate("ann", APP, "a")
        assert registry.program(registry.blocks.find("a", BlockType.APP, "ann")) == {"main.py": b"x = 1"}
    for path in (path for path in registry.root.rglob("*") if path.is_file()):
        assert b"hunter2" not in path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as opened:
                assert not [name for name in opened.namelist() if b"hunter2" in opened.read(name)]
        elif path.suffix == ".gz":
            assert b"hunter2" not in gzip.decompress(path.read_bytes())


def test_a_program_beside_its_manifest_does_not_get_the_token(registry: Registry) -> None:
    manifest = {"name": "a", "version": "0.1", "platform_config": {"token": "hunter2"}}
    files = {"main.py": b"", "manifest.json": json.dumps(manifest).encode()}
    registry.blocks.push("ann", APP, Beside(), io.BytesIO(zip_of(files)))
    registry.blocks.activate("ann", APP, "a")
    program = registry.program(registry.blocks.find("a", BlockType.APP, "ann"))
    assert json.loads(program["manifest.json"]) == {"name": "a", "version": "0.1", "platform_config": {}}


def test_a_token_stays_with_a_private_image_and_goes_with_its_block(registry: Registry) -> None:
    private = {"private_image": True, "username": "bob", "token": "hunter2"}

    def token() -> str:
        found = registry.tokens.find("ann", BlockType.APP, "word-count", "0.1")
        return "" if found is None else f"{found.access_key}:{found.secret_key}"

    registry.push(platform_config=private)
    assert token() == "bob:hunter2"
    registry.push(platform_config=private | {"token": ""})
    assert token() == "bob:hunter2"
    registry.push(platform_config=private | {"token": "another"})
    assert token() == "bob:another"
    registry.push()
    assert token() == ""
    registry.push(platform_config=private)
    registry.blocks.delete("ann", APP, "word-count")
    assert token() == ""


@pytest.mark.parametrize("token", [["hunter2"], {"x": "hunter2"}, "hunter2" * 5000, 5])
def test_a_token_that_is_none_is_refused_without_repeating_it(registry: Registry, token: object) -> None:
    with pytest.raises(BadManifest) as refused:
        registry.push(platform_config={"token": token})
    assert problems(refused) == {"platform_config.token"}
    assert "hunter2" not in str(refused.value)


def test_an_empty_token_as_published_blocks_have_it_is_fine_and_not_kept(registry: Registry) -> None:
    platform = {"container": "python:3.12", "private_image": False, "username": "", "token": ""}
    block = registry.push(platform="docker", platform_config=platform).block
    assert block.manifest["platform_config"] == {key: value for key, value in platform.items() if key != "token"}


def test_an_app_may_bring_a_template_and_warnings_tell_what_was_ignored(registry: Registry) -> None:
    beside = Beside({"name": "a", "version": "0.1"}, None, {"id": "count", "params": {"app": {"x": 1}}, "colour": 5})
    done = registry.blocks.push("ann", APP, beside, io.BytesIO(zip_of({"app/main.py": b""})))
    assert done.warnings == ("colour is not known and was ignored",)
    template = registry.templates.get("ann", "count")
    assert (template.app, template.params) == ("a@0.1", {"app": {"x": 1}})


def test_a_push_that_was_cut_off_leaves_nothing_after_the_next_start(registry: Registry) -> None:
    (registry.root / "pushes" / "old").mkdir(parents=True)
    registry.blocks.sweep()
    assert not (registry.root / "pushes").exists()


def test_pushes_at_the_same_time_are_counted_one_by_one(registry: Registry) -> None:
    together = threading.Barrier(8)

    def push(number: int) -> int:
        together.wait()
        return registry.push_files("ann", APP, {"app/main.py": str(number % 2).encode()}).block.revision

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(push, range(8))) == list(range(1, 9))
    block = registry.blocks.get("ann", APP, "word-count")
    assert block.revision == 8
    assert len(list((registry.root / "packages").iterdir())) == 2
    assert registry.kept() == {"packages", "archives"}
    _, path = registry.blocks.archive("ann", APP, "word-count")
    assert base64.b64decode(block.hash) == hashlib.sha256(path.read_bytes()).digest()


# ---- tags


def test_versions_compare_as_numbers_and_a_tag_takes_the_highest_that_is_active(registry: Registry) -> None:
    for version in ("0.9", "0.10", "1.0"):
        registry.active(version=version)
    registry.push(version="2.0")
    found = {
        tag: registry.blocks.find(tag, BlockType.APP, "ann").pinned.version for tag in ("word-count", "word-count@0")
    }
    assert found == {"word-count": "1.0", "word-count@0": "0.10"}
    assert registry.blocks.get("ann", APP, "word-count").version == "2.0"
    with pytest.raises(NotAllowedNow, match=r"'word-count@2\.0' is inactive"):
        registry.blocks.find("word-count@2.0", BlockType.APP, "ann")


def test_own_blocks_come_before_imports_and_imports_before_built_in_ones(registry: Registry) -> None:
    def owner() -> str:
        return registry.blocks.find("split-lines", BlockType.PARTITIONER, "ann").pinned.id

    assert owner().startswith("builtin/")
    theirs = registry.public("bob", name="split-lines", type="partitioner")
    assert owner().startswith("builtin/")
    registry.blocks.import_("ann", ENGINES, "split-lines")
    assert owner() == theirs.id
    mine = registry.active("ann", name="split-lines", type="partitioner")
    assert owner() == mine.id


def test_a_version_that_is_not_own_is_looked_for_further_on(registry: Registry) -> None:
    registry.active("ann", name="split-lines", type="partitioner", version="7.7")
    assert (
        registry.blocks.find("split-lines@7.7", BlockType.PARTITIONER, "ann").pinned.id.startswith("builtin/") is False
    )
    builtin = registry.blocks.get("bob", ENGINES, "split-lines")
    assert registry.blocks.find(builtin.tag, BlockType.PARTITIONER, "ann").pinned.builtin


def test_another_accounts_block_is_not_there(registry: Registry) -> None:
    registry.public("bob")
    with pytest.raises(NotFound):
        registry.blocks.get("ann", APP, "word-count")
    with pytest.raises(NotFound):
        registry.blocks.find("word-count", BlockType.APP, "ann")
    for change in (registry.blocks.activate, registry.blocks.unpublish, registry.blocks.delete):
        with pytest.raises(NotFound):
            change("ann", APP, "word-count")


def test_a_partitioner_and_an_assembler_of_one_name_have_to_be_told_apart(registry: Registry) -> None:
    with pytest.raises(BadInput) as refused:
        registry.blocks.get("ann", ENGINES, "passthrough")
    assert problems(refused) == {"type"}
    assert registry.blocks.get("ann", (BlockType.ASSEMBLER,), "passthrough").type is BlockType.ASSEMBLER


# ---- sharing


def test_an_import_is_pinned_to_its_revision_until_it_is_imported_again(registry: Registry) -> None:
    registry.public("bob")
    registry.blocks.import_("ann", APP, "word-count")
    registry.push_files("bob", APP, {"app/main.py": b"new"})
    registry.blocks.activate("bob", APP, "word-count")
    pinned = registry.blocks.find("word-count", BlockType.APP, "ann")
    assert (pinned.pinned.revision, registry.program(pinned)) == (1, {"main.py": b"print('hello')\n"})
    registry.blocks.import_("ann", APP, "word-count")
    assert registry.blocks.find("word-count", BlockType.APP, "ann").pinned.revision == 2


def test_a_job_is_told_which_of_its_blocks_are_imported(registry: Registry) -> None:
    registry.public("bob")
    registry.blocks.import_("ann", APP, "word-count")
    assert registry.blocks.find("word-count", BlockType.APP, "ann").pinned.imported
    assert not registry.blocks.find("word-count", BlockType.APP, "bob").pinned.imported
    assert not registry.blocks.find("concat", BlockType.ASSEMBLER, "ann").pinned.imported


def test_an_import_outlives_what_its_owner_does(registry: Registry) -> None:
    registry.public("bob")
    registry.blocks.import_("ann", APP, "word-count")
    registry.blocks.delete("bob", APP, "word-count")
    assert registry.blocks.find("word-count", BlockType.APP, "ann").pinned.revision == 1
    with pytest.raises(BadInput, match="only its owner"):
        registry.blocks.deactivate("ann", APP, "word-count")
    registry.blocks.delete("ann", APP, "word-count")
    with pytest.raises(NotFound):
        registry.blocks.get("ann", APP, "word-count")


def test_only_public_and_active_blocks_can_be_imported(registry: Registry) -> None:
    block = registry.active("bob")
    with pytest.raises(NotFound):
        registry.blocks.import_("ann", APP, block.tag)
    registry.blocks.publish("bob", APP, block.tag)
    registry.blocks.deactivate("bob", APP, block.tag)
    with pytest.raises(NotFound):
        registry.blocks.import_("ann", APP, block.tag)


def test_where_several_accounts_have_it_the_owner_has_to_be_named(registry: Registry) -> None:
    registry.public("bob")
    registry.public("cat")
    with pytest.raises(BadInput, match="bob, cat"):
        registry.blocks.import_("ann", APP, "word-count")
    assert registry.blocks.import_("ann", APP, "word-count", "cat").account_id == "cat"
    with pytest.raises(Conflict, match="from account 'cat'"):
        registry.blocks.import_("ann", APP, "word-count", "bob")


def test_lists_show_own_and_imported_blocks_or_the_public_ones_with_those_built_in(registry: Registry) -> None:
    registry.public("bob", name="theirs")
    registry.public("bob", name="unseen")
    registry.blocks.import_("ann", APP, "theirs")
    registry.push("ann", name="mine", version="0.9")
    registry.push("ann", name="mine", version="0.10")
    found, total = registry.blocks.listed(BlockFilter("ann", APP))
    assert ([block.tag for block in found], total) == (["mine@0.10", "mine@0.9", "theirs@0.1"], 3)
    found, total = registry.blocks.listed(BlockFilter("ann", APP, limit=1, offset=2))
    assert ([block.tag for block in found], total) == (["theirs@0.1"], 3)
    assert [block.tag for block in registry.blocks.listed(BlockFilter("ann", APP, public=True))[0]] == [
        "theirs@0.1",
        "unseen@0.1",
    ]


def test_pages_of_public_engines_run_on_into_the_built_in_ones(registry: Registry) -> None:
    registry.public("bob", name="aaa", type="assembler")
    whole, total = registry.blocks.listed(BlockFilter("ann", ENGINES, public=True, limit=1000))
    assert (len(whole), whole[0].name, whole[1].account_id) == (total, "aaa", "fanfold")
    pages = [registry.blocks.listed(BlockFilter("ann", ENGINES, True, 4, start))[0] for start in range(0, total, 4)]
    assert [block.id for page in pages for block in page] == [block.id for block in whole]


# ---- deleting


def run_job(registry: Registry, account: str) -> str:
    """A job that runs `word-count`."""
    job = a_job("runs", account_id=account, tags=BlockTags("word-count"), data_source=DataRef("bypass"))
    roles = {"app": BlockType.APP, "partitioner": BlockType.PARTITIONER, "assembler": BlockType.ASSEMBLER}
    tags = {"app": "word-count", "partitioner": "passthrough", "assembler": "passthrough"}
    pinned = {role: registry.blocks.find(tags[role], kind, account).pinned for role, kind in roles.items()}
    registry.store.insert_job(job, account)
    registry.store.advance(step(job, RunAccepted(JobBlocks(**pinned), JobConfig(), account), after(1)))
    return job.id


def test_a_block_that_an_unfinished_job_needs_is_not_deleted(registry: Registry) -> None:
    registry.active()
    job_id = run_job(registry, "ann")
    with pytest.raises(Conflict, match="'runs'"):
        registry.blocks.delete("ann", APP, "word-count")
    registry.store.advance(step(registry.store.job(job_id), Aborted("ann"), after(2)))
    registry.blocks.delete("ann", APP, "word-count")
    with pytest.raises(NotFound):
        registry.blocks.find("word-count", BlockType.APP, "ann")


def test_an_import_that_an_unfinished_job_needs_stays_and_its_owner_may_still_delete(registry: Registry) -> None:
    registry.public("bob")
    registry.blocks.import_("ann", APP, "word-count")
    run_job(registry, "ann")
    with pytest.raises(Conflict):
        registry.blocks.delete("ann", APP, "word-count")
    registry.blocks.delete("bob", APP, "word-count")


def test_a_deleted_block_can_be_pushed_again_and_is_not_public_any_more(registry: Registry) -> None:
    block = registry.public("ann")
    registry.blocks.delete("ann", APP, block.tag)
    again = registry.push("ann").block
    assert (again.id, again.revision, again.is_public) == (block.id, 2, False)


def test_what_is_built_in_stays_as_it_is(registry: Registry) -> None:
    for change in (registry.blocks.delete, registry.blocks.publish):
        with pytest.raises(BadInput):
            change("ann", ENGINES, "concat")
    with pytest.raises(NotFound, match="built in"):
        registry.blocks.archive("ann", ENGINES, "concat")


# ---- jobs


def test_params_are_checked_against_the_schemas_of_pushed_blocks(registry: Registry) -> None:
    beside = Beside({"name": "a", "version": "0.1"}, {"properties": {"n": {"type": "integer"}}, "required": ["n"]})
    registry.blocks.push("ann", APP, beside, io.BytesIO(zip_of({"app/main.py": b""})))
    registry.blocks.activate("ann", APP, "a")

    def no_places(_: DataRef) -> Any:
        raise BadInput("no places here")

    validator = Validator(registry.blocks, no_places, CallerSecrets({}), no_container=lambda _image: "")
    job = replace(a_job(account_id="ann"), tags=BlockTags("a", "nope", "concat"))
    with pytest.raises(BadInput) as refused:
        validator.checked(job)
    assert {"params.app", "partitioner"} <= problems(refused)


def test_a_block_that_requires_packages_is_refused_where_none_can_be_installed(registry: Registry) -> None:
    registry.active(platform_config={"requirements": ["numpy"]})
    job = replace(a_job(account_id="ann"), tags=BlockTags("word-count", "passthrough", "concat"))

    def checked(problem: str) -> str:
        def no_places(_: DataRef) -> Any:
            raise BadInput("no places here")

        validator = Validator(registry.blocks, no_places, CallerSecrets({}), True, lambda: problem)
        with pytest.raises(BadInput) as refused:
            validator.checked(job)
        return str(refused.value)

    assert "app 'word-count': requires packages: there is no uv" in checked("there is no uv")
    assert "requires packages" not in checked("")
