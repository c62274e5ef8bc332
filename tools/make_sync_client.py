"""Makes src/fanfold/client/sync from src/fanfold/client/aio: the same client, for threads.

python tools/make_sync_client.py          writes the files
python tools/make_sync_client.py --check  says which are stale, and ends with 1 if any is
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "fanfold" / "client" / "aio"
TARGET = SOURCE.with_name("sync")
BY_HAND = {"__init__.py", "seams.py"}

CHANGES = (
    (r"\bfanfold\.client\.aio\b", "fanfold.client.sync"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\b_?a(close|read|iter_raw|iter_bytes)\b", r"\1"),
)


def made(text: str, name: str) -> str:
    """A file of the asyncio client as one for threads."""
    for pattern, replacement in CHANGES:
        text = re.sub(pattern, replacement, text)
    mark = f"# Made from aio/{name} by tools/make_sync_client.py; change that one.\n"
    return formatted(mark + text)


def formatted(text: str) -> str:
    """As ruff would have it."""
    for command in (
        ["check", "--select", "I,UP028", "--fix", "--unsafe-fixes", "--quiet", "-"],
        ["format", "--quiet", "-"],
    ):
        words = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET / "made.py")]
        text = subprocess.run(words, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def expected() -> Iterator[tuple[Path, str]]:
    """Every file that is made, and what is to be in it."""
    for file in sorted(SOURCE.glob("*.py")):
        if file.name not in BY_HAND:
            yield TARGET / file.name, made(file.read_text(encoding="utf-8"), file.name)


def main() -> int:
    """Write the files, or check them."""
    stale = [(file, text) for file, text in expected() if not file.exists() or file.read_text(encoding="utf-8") != text]
    known = {file.name for file, _ in expected()} | BY_HAND
    left_over = [file for file in TARGET.glob("*.py") if file.name not in known]
    for file, text in stale:
        print(f"stale: {file.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
    for file in left_over:
        print(f"left over: {file.relative_to(ROOT)}; remove it")
    return 1 if left_over or (stale and "--check" in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
