"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fanbench.home import Home
from fanbench.peers import Peer, cores, first_line

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, in words."""

    cores: int
    memory_gib: float
    system: str
    kernel: str
    app_python: str
    versions: dict[str, str]


def this_machine(home: Home, peers: Iterable[Peer]) -> Machine:
    """Look around."""
    return Machine(
        cores=cores(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        system=_system(),
        kernel=platform.release(),
        app_python=first_line(str(home.python), "--version"),
        versions={peer.name: peer.version() for peer in peers},
    )


def _system() -> str:
    release = Path("/etc/os-release")
    if not release.exists():
        return platform.system()
    values = dict(line.split("=", 1) for line in release.read_text().splitlines() if "=" in line)
    return values.get("PRETTY_NAME", platform.system()).strip('"')


def machine_lines(command: str) -> str:
    """The machine in a few lines of Markdown, with when and how it was measured."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    load = os.getloadavg()[0]
    lines = [
        f"- measured at {datetime.now(UTC):%Y-%m-%dT%H:%MZ}; load at the end {load:.1f}",
        f"- {cores()} cores, {memory_gib:.1f} GiB, {_system()}, Linux {platform.release()}",
        f"- Python {platform.python_version()}",
        f"- again: `{command}`",
    ]
    return "\n".join(lines) + "\n"
