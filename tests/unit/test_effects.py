"""The one place where the world is changed."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects, copy_bytes, enough_space, etag_of
from fanfold.errors import OutOfSpace

DATA = bytes(range(256)) * 5000


class Told(Effects):
    """The real effects, and a list of what was about to happen."""

    def __init__(self) -> None:
        self.list: list[str] = []

    def about_to(self, kind: str, what: str) -> None:
        self.list.append(f"{kind} {what}")


def copied(tmp_path: Path, offset: int, length: int) -> bytes:
    (tmp_path / "source").write_bytes(DATA)
    with open(tmp_path / "source", "rb") as source, open(tmp_path / "target", "wb", buffering=0) as target:
        target.write(b"head")
        copy_bytes(source.fileno(), target.fileno(), offset, length)
    return (tmp_path / "target").read_bytes()


@pytest.mark.parametrize("refused", [None, errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP])
@pytest.mark.parametrize(("offset", "length"), [(0, len(DATA)), (100, 70_000), (7, 0)])
def test_bytes_are_copied_with_and_without_the_kernel_s_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int | None, offset: int, length: int
) -> None:
    if refused is not None:
        monkeypatch.setattr(os, "copy_file_range", refusing(refused))
    assert copied(tmp_path, offset, length) == b"head" + DATA[offset : offset + length]


def refusing(code: int) -> Any:
    def refuse(*arguments: object, **more: object) -> int:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_source_that_is_shorter_than_said_is_an_end_of_file(tmp_path: Path) -> None:
    with pytest.raises(EOFError, match=f"ended after {len(DATA)} bytes"):
        copied(tmp_path, 5, len(DATA))


def test_an_error_of_the_disk_is_not_taken_for_a_kernel_that_cannot_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", refusing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        copied(tmp_path, 0, 10)


@pytest.mark.parametrize("refused", [None, errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES])
def test_a_file_is_linked_or_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int | None) -> None:
    (tmp_path / "source").write_bytes(DATA)
    if refused is not None:
        monkeypatch.setattr(os, "link", refusing(refused))
    Effects().link_or_copy(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == DATA
    assert (tmp_path / "target").samefile(tmp_path / "source") is (refused is None)


def test_an_error_that_no_copy_mends_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Effects().link_or_copy(tmp_path / "nowhere", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_on_disk_before_it_has_its_name(tmp_path: Path) -> None:
    effects = Told()
    effects.write_file(tmp_path / "a", b"data")
    assert effects.list == ["write a", "fsync a", "rename a", f"fsync {tmp_path.name}"]
    assert (tmp_path / "a").read_bytes() == b"data"


def test_a_file_written_in_pieces_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half way"), Effects().new_file(tmp_path / "a"):
        raise ValueError("half way")
    assert not (tmp_path / "a").exists()
    with Effects().new_file(tmp_path / "a") as file:
        file.write(b"whole")
        assert not (tmp_path / "a").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path: Path, code: int) -> None:
    with pytest.raises(OutOfSpace, match=r"the disk that holds '.*a' is full"), enough_space(tmp_path / "a"):
        raise OSError(code, "full")
    with pytest.raises(PermissionError), enough_space(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "no")


def test_a_tree_that_its_program_closed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c" / "file").write_bytes(b"")
    for folder in ("a/b/c", "a/b", "a"):
        (tmp_path / folder).chmod(0)
    child = os.fork()
    if child == 0:
        os._exit(removed_by_nobody(tmp_path))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not (tmp_path / "a").exists()


def removed_by_nobody(tmp_path: Path) -> int:
    """Remove it, in a process of its own, as a user whom permissions bind; 0 when it worked."""
    try:
        os.chdir(tmp_path)
        if os.geteuid() == 0:
            for folder in (".", "a", "a/b", "a/b/c"):
                os.chown(folder, 65534, 65534)
            os.setuid(65534)
        Effects().remove_tree(Path("a"))
    except Exception:  # noqa: BLE001 - the parent asks for the exit status
        return 1
    return 0


def test_removing_follows_no_link_and_minds_no_absence(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_bytes(b"")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "stray").write_bytes(b"")
    for name in ("tree", "link", "stray", "nowhere"):
        Effects().remove_tree(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_tag_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    first = etag_of(file.stat())
    os.utime(file, ns=(0, 1))
    assert etag_of(file.stat()) != first


def deep(place: Path, depth: int) -> None:
    """Folders nested so deep that no path reaches the last, each but the first closed to its owner."""
    below = os.open(place, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("inner", dir_fd=below)
        os.close(os.open("file", os.O_CREAT, dir_fd=below))
        inner = os.open("inner", os.O_RDONLY, dir_fd=below)
        os.fchmod(below, 0)
        os.close(below)
        below = inner
    os.close(below)


@pytest.mark.parametrize("depth", [3, 3000])
def test_a_folder_is_removed_however_deep_and_closed_it_is(tmp_path: Path, depth: int) -> None:
    root = tmp_path / "root"
    (root / "0.removed").mkdir(parents=True)
    (root / "0.removed" / "file").touch()
    deep(root, depth)
    Effects().remove_tree(root)
    assert list(tmp_path.iterdir()) == []


def test_a_passing_file_replaces_another_and_not_what_lies_under_its_other_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a longer one")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    told = Effects().write_passing(tmp_path / "a", b"new")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"a longer one")
    assert etag_of(told) == etag_of((tmp_path / "a").stat())
    assert told.st_size == 3
