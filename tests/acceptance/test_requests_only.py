"""The page that uses nothing but `requests`, run as it stands against a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "requests-only.md"
FANFOLD = Path(sys.executable).with_name("fanfold")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server of its own: what the page's script finds in its environment."""
    key = tmp_path / "key"
    command = [FANFOLD, "up", "--port", "0", "--state", tmp_path / "state", "--key-file", key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(3)]
        found = re.search(r"http://\S+", told[0])
        assert found, told
        while not key.exists() or not key.read_text():  # the key is written after its line was printed
            assert process.poll() is None
        yield {"FANFOLD_URL": found.group(), "FANFOLD_API_KEY": key.read_text().strip()}
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.timeout(90)
def test_the_script_of_the_page_does_a_whole_job(server: dict[str, str], tmp_path: Path) -> None:
    script = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert script
    (tmp_path / "whole_job.py").write_text(script.group(1), encoding="utf-8")
    arguments = [ROOT / "examples" / "word-count", ROOT / "examples" / "data" / "war-and-peace.txt"]
    ended = subprocess.run(
        [sys.executable, "whole_job.py", *arguments],
        cwd=tmp_path,
        env={**os.environ, **server},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "JOB_STATE_COMPLETE 14 of 14 chunks" in ended.stdout
    assert '"war": ' in (tmp_path / "counts.json").read_text(encoding="utf-8")
