"""The server's own keys."""

import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.services.server_keys import FILE_NAME, server_keys


def test_the_first_start_makes_keys_and_every_other_finds_them(tmp_path: Path) -> None:
    made = server_keys(tmp_path, Effects())
    assert len(made.pepper) == len(made.signer) == 32
    assert made.pepper != made.signer
    assert server_keys(tmp_path, Effects()) == made
    assert os.listdir(tmp_path) == [FILE_NAME]


def test_the_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        server_keys(tmp_path, Effects())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o700, 0o4600])
def test_a_file_that_others_may_use_is_refused_with_what_to_type(tmp_path: Path, mode: int) -> None:
    server_keys(tmp_path, Effects())
    (tmp_path / FILE_NAME).chmod(mode)
    with pytest.raises(BadInput, match="chmod 600"):
        server_keys(tmp_path, Effects())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"version": 1}',
        '{"version": 1, "pepper": "AAAA", "signer": "AAAA"}',
        '{"version": 1, "pepper": 1, "signer": "?"}',
        "\xff",
    ],
)
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE_NAME
    file.write_text(text, encoding="latin-1")
    file.chmod(0o600)
    with pytest.raises(BadInput, match="backup"):
        server_keys(tmp_path, Effects())
    assert file.read_text(encoding="latin-1") == text


def test_a_file_of_a_newer_release_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    server_keys(tmp_path, Effects())
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": 2}))
    with pytest.raises(BadInput, match="has version 2; this release knows 1"):
        server_keys(tmp_path, Effects())


def test_a_link_or_a_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server_keys(elsewhere, Effects())
    (tmp_path / FILE_NAME).symlink_to(elsewhere / FILE_NAME)
    with pytest.raises(BadInput, match="cannot be read"):
        server_keys(tmp_path, Effects())
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir(0o700)
    with pytest.raises(BadInput, match="is not a file"):
        server_keys(tmp_path, Effects())


def test_no_key_is_shown(tmp_path: Path) -> None:
    assert repr(server_keys(tmp_path, Effects())) == "ServerKeys()"


def test_many_that_start_at_once_agree_on_one_pair(tmp_path: Path) -> None:
    class Together(Effects):
        """Everybody has written a file of their own before anybody gives it its name."""

        def __init__(self) -> None:
            self.ready = threading.Barrier(4)

        def link_or_copy(self, source: Path, target: Path) -> None:
            self.ready.wait()
            super().link_or_copy(source, target)

    effects = Together()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: server_keys(tmp_path, effects), range(4)))
    assert len({keys.pepper for keys in found}) == 1
