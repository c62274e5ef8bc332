"""Bubblewrap: the walls around a program that need no container. One command line, nothing kept.

As root it makes the mounts while it may read everything, then the zygote becomes an unprivileged user that exists
nowhere else; as any other user it works in a user namespace of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from fanfold.platforms import seccomp
from fanfold.ports.platform import Rules, Walls
from fanfold.runner import zygote

COMMAND = "bwrap"
PROBE_TIMEOUT_S = 10.0
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - inside the sandbox, private to it
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_SETTINGS = (
    *("alternatives", "ca-certificates", "fonts", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"),
    *("magic", "mime.types", "nsswitch.conf", "passwd", "protocols", "services", "ssl", "terminfo", "timezone"),
)
_NETWORK_SETTINGS = ("gai.conf", "host.conf", "hosts", "resolv.conf")
_BECOME = """
import os, sys
uid = int(sys.argv[1])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
os.execv(sys.argv[2], sys.argv[2:])
"""
FIRST_UID = 1_900_000_000
UIDS = 100_000_000


def uid_of(owner: str) -> int:
    """Who an account's programs are where the server is root: a user of no other account, as far as numbers reach."""
    return FIRST_UID + zlib.crc32(owner.encode()) % UIDS


@cache
def problem() -> str:
    """Why there can be no sandbox here, as a sentence; "" where there can."""
    command = shutil.which(COMMAND)
    if command is None:
        return "bubblewrap is not installed (Debian: apt install bubblewrap)"
    tried = [command, *_namespaces("off"), "--ro-bind", "/", "/", "--proc", "/proc", "--", "/bin/true"]
    try:
        done = subprocess.run(tried, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as err:
        return f"bubblewrap does not start: {err}"
    return "" if done.returncode == 0 else f"bubblewrap cannot make a sandbox here: {done.stderr.strip()[:300]}"


def command(walls: Walls, interpreter: tuple[str, ...], rules: Rules, filter_descriptor: int | None) -> list[str]:
    """The command line up to the program that it starts, which `interpreter` will run."""
    reads = [
        *_runtime(),
        *interpreter_folders(interpreter),
        *interpreter_folders(walls.interpreter),
        *walls.reads,
        zygote.__file__,
        *zygote.OTHER_FILES,
    ]
    writes = [walls.ground, *walls.writes]
    line = [COMMAND, *_namespaces(rules.network), "--die-with-parent", "--cap-drop", "ALL"]
    if os.getuid() == 0:
        line += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    line += [*_mirrored_links(), "--proc", "/proc", "--dev", "/dev"]
    size = str(walls.memory_bytes)
    for folder in SHARED_FOLDERS:
        line += ["--perms", "1777", "--size", size, "--tmpfs", folder]
    for parent in _parents([*reads, *writes, *_settings(rules.network)]):
        line += ["--perms", "0555", "--dir", parent]
    for path in [*_distinct(reads), *_settings(rules.network)]:
        line += ["--ro-bind", path, path]
    for path in _distinct(writes):
        line += ["--bind", path, path]
    line += ["--chdir", "/", *(["--seccomp", str(filter_descriptor)] if filter_descriptor is not None else [])]
    return [*line, "--remount-ro", "/", "--"]


def _namespaces(network: str) -> list[str]:
    flags = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    flags += [] if network == "on" else ["--unshare-net"]
    return flags if os.getuid() == 0 else [*flags, "--unshare-user"]


def _runtime() -> list[str]:
    return [path for path in _SYSTEM if os.path.isdir(path) and not os.path.islink(path)]


def _mirrored_links() -> list[str]:
    """`/lib -> usr/lib` and the like, as the machine has them."""
    return [word for path in _SYSTEM if os.path.islink(path) for word in ("--symlink", os.readlink(path), path)]


def _settings(network: str) -> list[str]:
    names = [*_SETTINGS, *(_NETWORK_SETTINGS if network == "on" else ())]
    return [path for name in names if os.path.exists(path := f"/etc/{name}")]


@cache
def interpreter_folders(interpreter: tuple[str, ...]) -> list[str]:
    """The folders that an interpreter needs: its own, its environment's, and those its links lead through."""
    if not interpreter:
        return []
    path = shutil.which(interpreter[0]) or interpreter[0]
    if path == sys.executable:
        return _distinct([sys.prefix, sys.base_prefix, *_links_of(path)])
    real = os.path.realpath(path)  # what is installed in an environment may not run here, not even to be asked
    if real == os.path.realpath(sys.executable):
        return _distinct([environment_of(path), sys.base_prefix, *_links_of(path)])
    asked = [real, "-I", "-S", "-c", "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
    return _distinct([environment_of(path), *done.stdout.splitlines(), *_links_of(path)])


def environment_of(path: str) -> str:
    """The folder of the environment that an interpreter is in; "" where it is in none."""
    folder = os.path.dirname(os.path.dirname(path))
    return folder if os.path.exists(os.path.join(folder, "pyvenv.cfg")) else ""


def unprivileged(interpreter: tuple[str, ...], uid: int) -> list[str]:
    """What an interpreter is started by, so that it is `uid` from its first moment: one that lies in an environment
    obeys the packages in it before any code of ours. Any other is trusted to become that by itself."""
    if not uid or not interpreter or not environment_of(interpreter[0]) or interpreter[0] == sys.executable:
        return []
    return [os.path.realpath(interpreter[0]), "-I", "-S", "-c", _BECOME, str(uid)]


def _links_of(path: str) -> list[str]:
    """The folders of a file and of each file its symbolic links name."""
    found = [os.path.dirname(path)]
    while os.path.islink(path):
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        found.append(os.path.dirname(path))
    return found


def _distinct(paths: Iterable[str]) -> list[str]:
    """The paths that lie in no other of them, each once; what the system folders hold is there already."""
    listed = sorted({path for path in paths if path})
    return [path for path in listed if not any(_inside(path, other) for other in listed if other != path)]


def _inside(path: str, other: str) -> bool:
    return Path(path).is_relative_to(other)


def _parents(paths: Sequence[str]) -> list[str]:
    """The folders above these paths, outermost first: bubblewrap itself would make them for their owner only."""
    found = {str(parent) for path in paths for parent in Path(path).parents} - {"/"}
    return sorted(found - set(paths))


def filter_descriptor() -> int | None:
    """The system call filter, to be handed to bubblewrap; None where libseccomp is missing."""
    return seccomp.as_descriptor()
