"""Caches: files go in and come out whole, and nothing that a program leaves there leads anywhere else."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, NotFound
from fanfold.pipeline.workspace import Workspace
from fanfold.services.caches import CacheEntry, CacheFile, CacheService


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "state", Effects())


@pytest.fixture
def caches(workspace: Workspace) -> CacheService:
    return CacheService(workspace.cache, workspace.shared_cache, Effects(), 1000)


def put(caches: CacheService, account: str | None, path: str, data: bytes = b"data") -> None:
    with caches.writing(account, path) as file:
        file.write(data)


def read(caches: CacheService, account: str | None, path: str) -> bytes:
    found = caches.look(account, path)
    assert isinstance(found, CacheFile)
    with found.file:
        data = found.file.read()
    assert len(data) == found.size_bytes
    return data


def test_a_file_comes_back_as_it_was_put_and_programs_find_it(caches: CacheService, workspace: Workspace) -> None:
    put(caches, "ann", "models/small/w.bin", b"one")
    put(caches, "ann", "models/small/w.bin", b"two")
    assert read(caches, "ann", "models/small/w.bin") == b"two"
    assert (workspace.cache("ann") / "models/small/w.bin").read_bytes() == b"two"
    assert [path.name for path in (workspace.cache("ann") / "models/small").iterdir()] == ["w.bin"]


def test_accounts_and_the_shared_cache_are_apart(caches: CacheService, workspace: Workspace) -> None:
    put(caches, "ann", "a")
    put(caches, None, "s")
    assert (workspace.shared_cache() / "s").exists()
    for account, path in (("bob", "a"), ("ann", "s"), (None, "a")):
        with pytest.raises(NotFound):
            caches.look(account, path)


def test_a_folder_is_listed_by_name(caches: CacheService) -> None:
    assert caches.look("ann", "") == []
    put(caches, "ann", "b", b"12")
    put(caches, "ann", "a/x")
    assert caches.look("ann", "") == [CacheEntry("a", True, 0), CacheEntry("b", False, 2)]
    assert caches.look("ann", "a/") == [CacheEntry("x", False, 4)]


def test_files_and_folders_are_removed(caches: CacheService) -> None:
    for path in ("a/b/c", "a/d", "e"):
        put(caches, "ann", path)
    caches.remove("ann", "a/b")
    caches.remove("ann", "e")
    assert caches.look("ann", "a") == [CacheEntry("d", False, 4)]
    caches.remove("ann", "")
    assert caches.look("ann", "") == []
    with pytest.raises(NotFound):
        caches.remove("ann", "e")


def test_a_write_that_is_given_up_leaves_what_was_there(caches: CacheService, workspace: Workspace) -> None:
    def give_up() -> None:
        with caches.writing("ann", "a") as file:
            file.write(b"new")
            raise InterruptedError

    put(caches, "ann", "a", b"old")
    with pytest.raises(InterruptedError):
        give_up()
    assert read(caches, "ann", "a") == b"old"
    assert len(list(workspace.cache("ann").iterdir())) == 1


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\\b", "a\0b", "a//b", "./../x", "x" * 300])
def test_a_path_that_is_not_plain_is_refused(caches: CacheService, path: str) -> None:
    for ask in (caches.look, caches.remove, put_at(caches)):
        with pytest.raises(BadInput):
            ask("ann", path)


def put_at(caches: CacheService) -> Callable[[str, str], None]:
    return lambda account, path: put(caches, account, path)


def test_links_that_a_program_left_lead_nowhere(caches: CacheService, workspace: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    own = workspace.cache("ann")
    (own / "folder").symlink_to(outside)
    (own / "file").symlink_to(outside / "secret")
    for path in ("folder/secret", "file"):
        with pytest.raises(NotFound):
            caches.look("ann", path)
    with pytest.raises(NotFound):
        caches.remove("ann", "folder/secret")
    with pytest.raises(Conflict):
        put(caches, "ann", "folder/secret", b"changed")
    put(caches, "ann", "file", b"now a file")
    assert (own / "file").is_symlink() is False
    caches.remove("ann", "folder")
    assert (outside / "secret").read_bytes() == b"secret"
    assert caches.look("ann", "") == [CacheEntry("file", False, 10)]


def test_a_pipe_that_a_program_left_keeps_nobody_waiting(caches: CacheService, workspace: Workspace) -> None:
    os.mkfifo(workspace.cache("ann") / "pipe")
    refused: list[NotFound] = []

    def look() -> None:
        with pytest.raises(NotFound) as found:
            caches.look("ann", "pipe")
        refused.append(found.value)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(5)
    assert refused
    assert caches.look("ann", "") == []


def test_a_file_does_not_become_a_folder_nor_a_folder_a_file(caches: CacheService) -> None:
    put(caches, "ann", "a/b")
    for path in ("a", "a/b/c"):
        with pytest.raises(Conflict):
            put(caches, "ann", path)
    with pytest.raises(BadInput):
        put(caches, "ann", "")
