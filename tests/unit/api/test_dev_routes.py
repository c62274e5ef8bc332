"""The routes of /v1/dev, over HTTP, with the real services behind them."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from fanfold.api.app import make_app
from fanfold.api.context import Services
from fanfold.api.hosts import HostGuard
from fanfold.api.metrics import Metrics
from fanfold.effects import Effects
from fanfold.jobs.access import UserRole
from fanfold.pipeline.workspace import Workspace
from fanfold.services.access import RateLimits
from fanfold.services.block_files import BlockFiles
from fanfold.services.blocks import BlockService
from fanfold.services.caches import CacheService
from fanfold.services.registry_tokens import RegistryTokens
from fanfold.services.sealing import Sealer
from fanfold.services.templates import TemplateService
from fanfold.stores.blocks import SqlBlocks
from fanfold.stores.secrets import SqlSecrets
from fanfold.stores.sqlite import SqliteStore
from fanfold.stores.templates import SqlTemplates
from tests.doors import TestClient
from tests.people import People, people_of_a_server
from tests.unit.hostile_archives import tar_of_files, zip_of

DEV = "/v1/dev"
URL = "http://fanfold.test"
MANIFEST = {"name": "word-count", "version": "0.1"}
MAX_PUSH_BYTES = 2_000_000
MAX_CACHE_BYTES = 100_000
FIELDS = {
    *("id", "name", "version", "owner", "type", "status", "description", "hash", "link", "entrypoint", "revision"),
    *("createdAt", "updatedAt", "deletedAt", "platform", "platformConfig", "deviceRequirements", "isPublic", "schema"),
}


@dataclass
class Door:
    """The application, and clients of it that are signed in."""

    people: People
    root: Path
    plain: TestClient
    numbers: Iterator[int] = field(default_factory=count)

    def account(self) -> str:
        """The id of a new account."""
        return self.people.account(f"account-{next(self.numbers)}")

    def signed_in(self, account: str, role: UserRole = UserRole.DEVELOPER) -> TestClient:
        client = TestClient(self.plain.app, raise_server_exceptions=False)
        client.headers["Authorization"] = self.people.token(self.people.key_of(role, account=account))
        return client


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One server for all tests; each has an account of its own."""
    tmp_path = tmp_path_factory.mktemp("state")
    with people_of_a_server() as people:
        store, absent = SqliteStore(None, Effects()), None
        workspace = Workspace(tmp_path, Effects())
        templates = TemplateService(SqlTemplates(people.database), people.clock)
        blocks = SqlBlocks(people.database)
        sealer = Sealer(tmp_path / "master-key.json", Effects())
        tokens = RegistryTokens(SqlSecrets(people.database), sealer, people.clock)
        asked: dict[str, Any] = {
            "access": people.access,
            "limits": RateLimits(people.clock, 1000.0),
            "blocks": BlockService(
                blocks,
                templates,
                BlockFiles(tmp_path, Effects(), people.clock),
                Effects(),
                people.clock,
                tokens,
                max_push_bytes=MAX_PUSH_BYTES,
            ),
            "templates": templates,
            "caches": CacheService(workspace.cache, workspace.shared_cache, Effects(), MAX_CACHE_BYTES),
            "clock": people.clock,
            "public_url": URL,
        }
        services = Services(**{item.name: asked.get(item.name, absent) for item in fields(Services)})
        app = make_app(services, Metrics(store, absent, absent, absent), HostGuard(frozenset(), frozenset()))  # type: ignore[arg-type]
        yield Door(people, tmp_path, TestClient(app, raise_server_exceptions=False))
        store.close()


@pytest.fixture
def account(door: Door) -> str:
    """A new account's id."""
    return door.account()


@pytest.fixture
def ann(door: Door, account: str) -> TestClient:
    """A developer of the new account."""
    return door.signed_in(account)


def block_files(**more: bytes) -> dict[str, bytes]:
    return {"app/main.py": b"print('hello')\n", "manifest.json": json.dumps(MANIFEST).encode(), **more}


def push(client: TestClient, group: str = "apps", archive: bytes | None = None, **manifest: Any) -> Response:
    """Push as published clients do: every part a file."""
    parts: dict[str, Any] = {"manifest": ("manifest.json", json.dumps({**MANIFEST, **manifest}), "application/json")}
    parts["archive"] = ("app.zip", archive or zip_of(block_files()), "application/zip")
    return client.post(f"{DEV}/{group}", files=parts)


def details(answer: Response) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    return {detail["field"]: detail["reason"] for detail in answer.json()["details"]}


# ---- blocks


def test_the_life_of_an_app(ann: TestClient) -> None:
    archive = tar_of_files(block_files())
    pushed = push(ann, archive=archive)
    assert pushed.status_code == 200, pushed.text
    app = pushed.json()["app"]
    assert set(app) == FIELDS
    assert (app["name"], app["version"], app["status"], app["revision"]) == ("word-count", "0.1", "inactive", 1)
    assert app["hash"] == base64.b64encode(hashlib.sha256(archive).digest()).decode()
    assert app["link"] == f"{URL}/v1/dev/apps/word-count@0.1/download"
    assert ann.get(f"{DEV}/apps/word-count/status").json() == {"status": "inactive"}
    assert ann.post(f"{DEV}/apps/word-count@0.1/activate").json()["app"]["status"] == "active"
    assert ann.get(f"{DEV}/apps/word-count@0/status").json() == {"status": "active"}
    got = ann.get(f"{DEV}/apps/word-count/download")
    assert got.content == archive
    assert got.headers["Content-Digest"] == f"sha-256=:{app['hash']}:"
    listed = ann.get(f"{DEV}/apps").json()
    assert [block["id"] for block in listed["apps"]] == [app["id"]]
    assert listed["pagination"] == {"total": 1, "offset": 0, "hasPrevious": False, "hasNext": False}
    assert ann.post(f"{DEV}/apps/word-count/deactivate").json()["app"]["status"] == "inactive"
    assert ann.delete(f"{DEV}/apps/word-count").json()["ok"] is True
    assert ann.get(f"{DEV}/apps/word-count").status_code == 404


def test_a_push_as_json_with_the_archive_in_base64(ann: TestClient) -> None:
    archive = zip_of(block_files())
    body = {"manifest": {**MANIFEST, "type": "assembler"}, "archive": base64.b64encode(archive).decode()}
    pushed = ann.post(f"{DEV}/engines", json=body)
    assert pushed.status_code == 200, pushed.text
    assert pushed.json()["engine"]["type"] == "assembler"
    assert ann.get(f"{DEV}/engines/word-count/download").content == archive


def test_parts_may_be_plain_fields_and_the_manifest_may_be_in_the_archive_only(ann: TestClient) -> None:
    archive = ("block.zip", zip_of(block_files()))
    fields_sent = {"schema": json.dumps({"type": "object"}), "template": json.dumps({"id": "t", "odd": 1})}
    pushed = ann.post(f"{DEV}/apps", data=fields_sent, files={"archive": archive})
    assert pushed.status_code == 200, pushed.text
    assert pushed.json()["app"]["schema"] == {"type": "object"}
    assert pushed.json()["warnings"] == ["odd is not known and was ignored"]
    assert ann.get(f"{DEV}/templates/t").json()["template"]["app"] == "word-count@0.1"


def test_public_names_are_in_camel_case_and_a_token_key_never_comes_back(ann: TestClient) -> None:
    platform = {"container": "python:3.12", "private_image": True, "username": "u", "token": ""}
    device = {"min_cpu": 2, "min_memory": 0.5}
    app = push(ann, platform="docker", platform_config=platform, device_requirements=device).json()["app"]
    assert app["platformConfig"] == {
        "container": "python:3.12",
        "privateImage": True,
        "username": "u",
        "secrets": [],
        "requirements": [],
        "preload": [],
    }
    assert app["deviceRequirements"] == {"minCpu": 2, "minMemory": 0.5, "gpu": []}


def test_a_registry_token_is_taken_and_never_comes_back(ann: TestClient) -> None:
    answer = push(ann, platform="docker", platform_config={"container": "python:3.12", "token": "hunter2"})
    assert answer.status_code == 200
    assert "hunter2" not in answer.text
    assert "token" not in answer.json()["app"]["platformConfig"]
    assert "hunter2" not in answer.text


def test_all_mistakes_of_a_push_are_named_at_once(ann: TestClient) -> None:
    answer = push(ann, version="1.2.3", entrypoint="../x", archive=zip_of({"../../etc/passwd": b""}))
    assert set(details(answer)) == {"version", "entrypoint", "archive"}


@pytest.mark.parametrize(
    ("parts", "fields_named"),
    [
        ({}, {"archive"}),
        ({"manifest": ("m", b"{"), "schema": ("s", b"[" * 5000)}, {"manifest", "schema", "archive"}),
        ({"archive": ("a", b"no archive")}, {"archive"}),
    ],
)
def test_parts_that_are_missing_or_wrong_are_named(
    ann: TestClient, parts: dict[str, Any], fields_named: set[str]
) -> None:
    assert set(details(ann.post(f"{DEV}/apps", files={"other": ("o", b""), **parts}))) == fields_named


@pytest.mark.parametrize("body", [{}, {"archive": "%%%"}, {"archive": "AAAA", "manifest": 5}, {"archive": 5}, []])
def test_json_that_is_no_push_is_refused(ann: TestClient, body: Any) -> None:
    assert ann.post(f"{DEV}/apps", json=body).status_code == 400


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain"])
def test_bodies_that_are_not_what_they_say_are_refused(ann: TestClient, kind: str) -> None:
    answer = ann.post(f"{DEV}/apps", content=b"garbage\r\n--y", headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert answer.json()["code"] == 3


def test_a_push_over_the_limit_is_refused_whether_or_not_it_says_its_length(ann: TestClient) -> None:
    big = bytes(MAX_PUSH_BYTES + 5_000_000)
    assert push(ann, archive=big).status_code == 413
    head = b'--x\r\nContent-Disposition: form-data; name="archive"; filename="a"\r\n\r\n'
    pieces = (piece for piece in (head, big))
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert ann.post(f"{DEV}/apps", content=pieces, headers=kind).status_code == 413


def test_an_app_is_no_engine_and_an_engine_no_app(ann: TestClient) -> None:
    assert set(details(push(ann, "engines"))) == {"type"}
    assert set(details(push(ann, "apps", type="partitioner"))) == {"type"}
    push(ann, "engines", type="partitioner")
    assert ann.get(f"{DEV}/apps/word-count").status_code == 404


def test_engines_of_one_name_are_told_apart_by_type(ann: TestClient) -> None:
    assert set(details(ann.get(f"{DEV}/engines/passthrough"))) == {"type"}
    assert ann.get(f"{DEV}/engines/passthrough?type=assembler").json()["engine"]["type"] == "assembler"
    assert set(details(ann.get(f"{DEV}/engines?type=app"))) == {"type"}


def test_built_in_engines_are_among_the_public_ones(ann: TestClient) -> None:
    engines = ann.get(f"{DEV}/engines?isPublic=true&limit=1000").json()["engines"]
    split = next(engine for engine in engines if engine["name"] == "split-lines")
    assert (split["owner"], split["status"], split["link"], split["isPublic"]) == ("fanfold", "active", "", True)
    assert ann.get(f"{DEV}/engines").json()["engines"] == []


def test_a_public_block_is_imported_by_another_account(door: Door, ann: TestClient, account: str) -> None:
    bob = door.signed_in(door.account())
    push(ann)
    ann.post(f"{DEV}/apps/word-count/activate")
    assert bob.post(f"{DEV}/apps/word-count/import").status_code == 404
    ann.post(f"{DEV}/apps/word-count/publish")
    assert [app["name"] for app in bob.get(f"{DEV}/apps?isPublic=true").json()["apps"]] == ["word-count"]
    imported = bob.post(f"{DEV}/apps/word-count/import").json()["app"]
    assert (imported["owner"], imported["status"]) == (account, "active")
    assert bob.get(f"{DEV}/apps/word-count/download").status_code == 200
    assert bob.post(f"{DEV}/apps/word-count/unpublish").status_code == 400
    assert ann.post(f"{DEV}/apps/word-count/unpublish").json()["app"]["isPublic"] is False


def test_another_accounts_block_is_not_there_by_any_route(door: Door, ann: TestClient) -> None:
    push(ann)
    bob = door.signed_in(door.account())
    for method, tail in [("GET", ""), ("GET", "/status"), ("GET", "/download"), ("DELETE", "")]:
        assert bob.request(method, f"{DEV}/apps/word-count{tail}").status_code == 404
    for verb in ("activate", "deactivate", "publish", "unpublish", "import"):
        assert bob.post(f"{DEV}/apps/word-count/{verb}").status_code == 404


@pytest.mark.parametrize("tag", ["a b", "word-count@1.2.3", "x" * 65, "@1", "ä"])
def test_what_is_no_tag_is_refused_in_words(ann: TestClient, tag: str) -> None:
    answer = ann.get(f"{DEV}/apps/{tag}")
    assert answer.status_code == 400
    assert "a tag is" in answer.text


@pytest.mark.parametrize("role", [UserRole.VIEWER, UserRole.SUBMITTER])
def test_who_is_no_developer_may_look_and_change_nothing(
    door: Door, ann: TestClient, account: str, role: UserRole
) -> None:
    push(ann)
    other = door.signed_in(account, role)
    assert other.get(f"{DEV}/apps/word-count").status_code == 200
    assert push(other).status_code == 403
    assert other.post(f"{DEV}/apps/word-count/activate").status_code == 403
    assert other.post(f"{DEV}/templates", json={"id": "a", "app": "b"}).status_code == 403
    assert other.put(f"{DEV}/cache/a", content=b"").status_code == 403


def test_without_a_token_there_is_only_the_greeting(door: Door) -> None:
    assert door.plain.get(f"{DEV}/info").json()["version"]
    for path in ("/apps", "/engines/concat", "/templates", "/cache/"):
        assert door.plain.get(f"{DEV}{path}").status_code == 401
    assert push(door.plain).status_code == 401


def test_changes_are_in_the_audit_log(door: Door, ann: TestClient, account: str) -> None:
    push(ann)
    ann.post(f"{DEV}/apps/word-count/activate")
    ann.put(f"{DEV}/cache/a", content=b"x")
    entries, _ = door.people.access.audit.page(door.people.admin, 100, 0, account)
    assert {"app.push", "app.activate", "cache.put"} <= {entry.action for entry in entries}


# ---- templates


def test_the_life_of_a_template(ann: TestClient) -> None:
    body = {"id": "word-count@1", "app": "word-count", "data_source": {"data_source_descriptor": "file"}, "odd": 1}
    made = ann.post(f"{DEV}/templates", json=body)
    assert made.status_code == 200, made.text
    template = made.json()["template"]
    assert (template["id"], template["name"], template["partitioner"]) == ("word-count@1",) * 2 + ("passthrough",)
    assert template["dataSource"]["dataSourceDescriptor"] == "file"
    assert made.json()["warnings"] == ["odd is not known and was ignored"]
    assert ann.get(f"{DEV}/templates/word-count@1").json()["template"] == template
    assert [row["id"] for row in ann.get(f"{DEV}/templates").json()["templates"]] == ["word-count@1"]
    rows = ann.get("/v1/customer/jobs/templates").json()
    assert [(row["id"], row["name"]) for row in rows["data"]] == [("word-count@1", "word-count@1")]
    assert ann.delete(f"{DEV}/templates/word-count@1").json()["ok"] is True
    assert ann.get(f"{DEV}/templates/word-count@1").status_code == 404


def test_all_mistakes_of_a_template_are_named_at_once(ann: TestClient) -> None:
    body = {"id": "a/b", "app": 5, "config": {"maxAttempts": "many", "onFailure": "cry"}}
    found = details(ann.post(f"{DEV}/templates", json=body))
    assert set(found) == {"id", "app", "config.maxAttempts", "config.onFailure"}


@pytest.mark.parametrize("body", [b"[]", b"5", b"{", b'{"id": "a", "id": "b"}', b"[" * 3000, b'{"id": "\\u0000"}'])
def test_what_is_no_template_is_refused(ann: TestClient, body: bytes) -> None:
    assert ann.post(f"{DEV}/templates", content=body).status_code == 400


def test_a_public_template_is_copied_by_another_account(door: Door, ann: TestClient, account: str) -> None:
    bob = door.signed_in(door.account())
    ann.post(f"{DEV}/templates", json={"id": "t", "app": "a"})
    assert bob.post(f"{DEV}/templates/t/import").status_code == 404
    ann.post(f"{DEV}/templates/t/publish")
    assert [row["owner"] for row in bob.get(f"{DEV}/templates?isPublic=true").json()["templates"]] == [account]
    assert bob.post(f"{DEV}/templates/t/import").json()["template"]["importedFrom"] == account
    assert ann.post(f"{DEV}/templates/t/unpublish").json()["template"]["isPublic"] is False


# ---- caches


def test_the_life_of_a_file_in_the_cache(door: Door, ann: TestClient, account: str) -> None:
    data = bytes(range(256)) * 300
    assert ann.put(f"{DEV}/cache/models/w.bin", content=data).json()["ok"] is True
    assert (door.root / "caches/user" / account / "models/w.bin").read_bytes() == data
    got = ann.get(f"{DEV}/cache/models/w.bin")
    assert (got.content, got.headers["Content-Type"]) == (data, "application/octet-stream")
    assert ann.get(f"{DEV}/cache/models").json() == {"files": [{"name": "w.bin", "isFolder": False, "size": 76800}]}
    assert ann.get(f"{DEV}/cache").json() == {"files": [{"name": "models", "isFolder": True, "size": 0}]}
    assert ann.delete(f"{DEV}/cache/models").json()["ok"] is True
    assert ann.get(f"{DEV}/cache/models/w.bin").status_code == 404


def test_a_file_over_the_limit_leaves_nothing(door: Door, ann: TestClient, account: str) -> None:
    assert ann.put(f"{DEV}/cache/big", content=bytes(MAX_CACHE_BYTES + 1)).status_code == 413
    assert ann.get(f"{DEV}/cache/").json() == {"files": []}
    assert list((door.root / "caches/user" / account).iterdir()) == []


@pytest.mark.parametrize("path", ["%2e%2e/x", "a/%2e%2e/%2e%2e/x", "a%5cb", "a%00b", "%2Fetc%2Fpasswd", "a//b"])
def test_paths_that_lead_out_of_the_cache_are_refused(ann: TestClient, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = ann.request(method, f"{DEV}/cache/{path}")
        assert answer.status_code in (400, 404, 405), answer.text
        assert "root:" not in answer.text


def test_the_shared_cache_is_for_administrators(door: Door, ann: TestClient, account: str) -> None:
    admin = door.signed_in(account, UserRole.ADMINISTRATOR)
    shared = {"shared": "true"}
    assert admin.put(f"{DEV}/cache/s", params=shared, content=b"all").status_code == 200
    assert (door.root / "caches/shared/s").read_bytes() == b"all"
    for method in ("GET", "PUT", "DELETE"):
        assert ann.request(method, f"{DEV}/cache/s", params=shared).status_code == 403
    assert ann.get(f"{DEV}/cache/s").status_code == 404


def test_caches_of_accounts_are_apart(door: Door, ann: TestClient) -> None:
    ann.put(f"{DEV}/cache/a", content=b"x")
    bob = door.signed_in(door.account())
    assert bob.get(f"{DEV}/cache/a").status_code == 404
    assert bob.delete(f"{DEV}/cache/a").status_code == 404
