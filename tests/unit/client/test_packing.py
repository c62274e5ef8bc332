import json
import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from fanfold.client.packing import pack
from fanfold.errors import BadInput, BadManifest


def block(place: Path, name: str = "count") -> Path:
    (place / "app" / "inner").mkdir(parents=True)
    (place / "app" / "main.py").write_text("print(1)\n")
    (place / "app" / "inner" / "run.sh").write_text("#!/bin/sh\n")
    (place / "app" / "inner" / "run.sh").chmod(0o700)
    (place / "manifest.json").write_text(json.dumps({"name": name, "version": "1.2", "type": "app"}))
    (place / "schema.json").write_text("{}")
    return place


def entries(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        return {entry.name: entry for entry in tar}


def test_the_same_content_gives_the_same_bytes_anywhere_and_at_any_time(tmp_path: Path) -> None:
    one, two = block(tmp_path / "one"), block(tmp_path / "two")
    os.utime(two / "app" / "main.py", (1, 1))
    (two / "app" / "main.py").chmod(0o640)
    (two / "app" / "__pycache__").mkdir()
    (two / "app" / "__pycache__" / "main.pyc").write_bytes(b"x")
    assert pack(one).archive == pack(two).archive


def test_a_package_holds_the_block_and_whether_files_are_programs(tmp_path: Path) -> None:
    package = pack(block(tmp_path / "one"))
    found = entries(package.archive)
    assert list(found) == ["app/inner/run.sh", "app/main.py", "manifest.json", "schema.json"]
    assert {name: entry.mode for name, entry in found.items()}["app/inner/run.sh"] == 0o755
    assert found["app/main.py"].mode == 0o644
    assert (package.tag, package.type) == ("count@1.2", "app")
    assert set(package.parts()) == {"manifest", "schema", "archive"}


def test_a_script_becomes_a_block_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "größe 1.py"
    script.write_text("print(1)")
    package = pack(script, "assembler")
    assert (package.tag, package.type) == ("gr--e-1@0.1", "assembler")
    assert package.manifest["entrypoint"] == "größe 1.py"


def test_a_link_out_of_the_block_is_refused(tmp_path: Path) -> None:
    place = block(tmp_path / "one")
    (tmp_path / "secret").write_text("x")
    (place / "app" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(BadInput, match="links to a place outside"):
        pack(place)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no block folder or script"):
        pack(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadManifest, match=r"no manifest\.json"):
        pack(tmp_path / "empty")
    place = block(tmp_path / "one")
    (place / "manifest.json").write_text("{")
    with pytest.raises(BadManifest, match="is not JSON"):
        pack(place)
