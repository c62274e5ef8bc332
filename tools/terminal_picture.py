"""The README's picture: a real run of the demo, recorded once and drawn from the recording.

    python tools/terminal_picture.py            draws docs/pictures/demo.svg from docs/pictures/demo.ansi
    python tools/terminal_picture.py --check    only compares
    python tools/terminal_picture.py --record   runs the demo on a terminal of its own and writes the recording anew

The recording is what the terminal got, but for the live line: of its many drawings the one in the middle is kept.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "docs" / "pictures" / "demo.ansi"
PICTURE = RECORDING.with_suffix(".svg")
WIDTH = 100

# Rich's own template loads its font from elsewhere; the reader's monospace font will do.
TEMPLATE = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
LIVE_LINE = re.compile(r"\x1b\[2K|\r|\n")
CONTROL = re.compile(r"\x1b\[(?![\d;]*m)[\d;?]*[A-Za-z]")


def record() -> str:
    """What the terminal shows of a real run, with one drawing of the live line."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / "examples", Path(place, "examples"))
        shown = typed([sys.executable, str(Path(place, "examples", "demo.py"))], place)
    pieces = [CONTROL.sub("", piece).rstrip() for piece in LIVE_LINE.split(shown)]
    drawings = [number for number, piece in enumerate(pieces) if "━" in piece and "┏" not in piece and "┡" not in piece]
    live = [number for number in drawings if "chunks" in pieces[number] and "left" in pieces[number]]
    kept = live[len(live) // 2]
    lines = [piece for number, piece in enumerate(pieces) if number == kept or number not in drawings]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"


def typed(command: list[str], place: str) -> str:
    """Everything that a terminal gets to see of a command."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH), "XDG_STATE_HOME": place}
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        while data := _read(ours):
            found += data
    os.close(ours)
    if process.returncode:
        raise SystemExit(found.decode())
    return found.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux ends a pty so
        return b""


def picture(recording: str) -> str:
    """The recording as SVG; the same every time."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(recording.rstrip("\n")))
    return console.export_svg(title="make demo", theme=MONOKAI, code_format=TEMPLATE, unique_id="demo")


def main() -> int:
    """0, or 1 where --check finds another picture than the recording gives."""
    if "--record" in sys.argv:
        RECORDING.parent.mkdir(exist_ok=True)
        RECORDING.write_text(record(), encoding="utf-8")
    drawn = picture(RECORDING.read_text(encoding="utf-8"))
    if "--check" in sys.argv:
        return int(PICTURE.read_text(encoding="utf-8") != drawn)
    PICTURE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
