"""What a tool writes is what the code, or the recording, gives now."""

import subprocess
import sys

import pytest

from tests.arch.source import ROOT


@pytest.mark.parametrize(
    ("tool", "page"),
    [("cli_reference.py", "docs/reference/cli.md"), ("terminal_picture.py", "docs/pictures/demo.svg")],
)
def test_a_generated_page_is_fresh(tool: str, page: str) -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / tool, "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, f"{page} is stale; type: .venv/bin/python tools/{tool}\n{checked.stderr}"
