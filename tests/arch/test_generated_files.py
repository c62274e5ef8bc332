"""What tools write from the code is as the code has it."""

import subprocess
import sys

import pytest

from tests.arch.source import ROOT


@pytest.mark.parametrize("tool", ["make_sync_client.py", "client_reference.py"])
def test_what_a_tool_writes_is_fresh(tool: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / tool), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"type: python tools/{tool}\n{ended.stdout}{ended.stderr}"


def test_importing_fanfold_loads_neither_http_nor_pydantic() -> None:
    program = (
        "import sys, fanfold; assert not {'httpx', 'pydantic', 'fanfold.client'} & set(sys.modules); fanfold.Client"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
