"""Podman or Docker: found on this machine, and the command line by which either makes a container."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from fanfold.ports.platform import Rules, Walls

KINDS = ("podman", "docker")
AUTO, NONE = "auto", "off"
PROFILE = "seccomp.json"
DOOR = "/run/fanfold"
"""Where a container sees the folder of its door: the path of a socket may have no more than 107 bytes."""

PROBE_TIMEOUT_S = 20.0
NPROC = 4096
"""More than any `max_processes`; runtimes would ask for more than some machines allow."""

INSTALL = "install podman or docker (Debian: apt install podman)"


def found(choice: str) -> tuple[str, str]:
    """(path of the runtime that works here, ""), or ("", why there is none and what to do, as a sentence)."""
    if choice == NONE:
        return "", "containers are turned off here (setting containers = off)"
    wanted = KINDS if choice == AUTO else (choice,)
    failed = []
    for kind in wanted:
        path = shutil.which(kind)
        said = _problem(path) if path else None
        if path and not said:
            return path, ""
        failed += [f"{kind} does not work: {said}"] if said else []
    if failed:
        return "", f"{'; '.join(failed)} (start it, or give the server's user its rights)"
    return "", f"{' and '.join(wanted)} {'are' if len(wanted) > 1 else 'is'} not here; {INSTALL}"


def _problem(path: str) -> str:
    done = ask([path, "info"])
    return "" if done.returncode == 0 else last_line(done)


def ask(words: Sequence[str], timeout_s: float = PROBE_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Have a runtime do something short; a start that fails and silence are failures as any other."""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as err:
        return subprocess.CompletedProcess(list(words), 125, "", str(err))


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The last thing that a failed command said, shortened."""
    lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
    return lines[-1].removeprefix("Error: ")[:300]


def is_podman(runtime: str) -> bool:
    """Whether it takes Podman's own flags."""
    return os.path.basename(runtime) == "podman"


def run_command(walls: Walls, rules: Rules, name: str, uid: int, files: Iterable[str], door: str) -> list[str]:
    """The command line of a container up to the program in it, whose environment comes on another way. `files` can be
    read in it besides what the walls allow; `door` is a folder that it reaches too, with the filter of system calls."""
    line = [walls.runtime, "run", "--rm", "--pull=never", "--name", name, "--label", label()]
    line += ["--log-driver", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    line += ["--security-opt", f"seccomp={os.path.join(door, PROFILE)}", "--security-opt", "label=disable"]
    line += ["--ipc", "private", *_user(walls.runtime, uid)]
    line += [] if rules.network == "on" else ["--network", "none"]
    line += [*_limits(walls, rules), *_private_folders(walls)]
    for path in [*walls.reads, *files]:
        line += ["--mount", _mount(path, "readonly")]
    for path in [walls.ground, *walls.writes]:
        line += ["--mount", _mount(path)]
    line += ["--mount", _mount(door, target=DOOR)]
    return [*line, "--workdir", "/"]


def _user(runtime: str, uid: int) -> list[str]:
    if uid:
        return ["--user", f"{uid}:{uid}"]
    own = ["--user", f"{os.getuid()}:{os.getgid()}"]
    return ["--userns", "keep-id", *own] if is_podman(runtime) and os.getuid() else own


def _limits(walls: Walls, rules: Rules) -> list[str]:
    held: Mapping[str, int] = {
        "core": 0,
        "nofile": rules.max_open_files,
        "nproc": max(NPROC, rules.max_processes),
        "fsize": rules.largest_file_bytes,
    }
    line = [word for name, value in held.items() for word in ("--ulimit", f"{name}={value}:{value}")]
    memory = str(walls.memory_bytes)
    line += ["--memory", memory, "--memory-swap", memory, "--cpus", f"{min(walls.cores, os.cpu_count() or 1):g}"]
    return [*line, "--pids-limit", str(rules.max_processes + ALWAYS_THERE)]


ALWAYS_THERE = 2
"""Processes of a container that are no program's: the one that reaps, and the one that starts programs."""


def _private_folders(walls: Walls) -> list[str]:
    options = f"rw,nosuid,nodev,mode=1777,size={walls.memory_bytes}"
    line = ["--shm-size", str(walls.memory_bytes)]
    line += ["--read-only-tmpfs=false"] if is_podman(walls.runtime) else []
    return [*line, "--tmpfs", f"/tmp:{options}", "--tmpfs", f"/var/tmp:{options}"]  # noqa: S108 - inside, private to it


def _mount(path: str, *options: str, target: str = "") -> str:
    """A folder or file, at its own place where no other is said; runtimes read this as a line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", f"source={path}", f"target={target or path}", *options])
    return line.getvalue()


def remove(runtime: str, name: str) -> None:
    """End a container and all in it; safe to repeat."""
    ask([runtime, "rm", "--force", name])


def remove_left(runtime: str) -> int:
    """Remove the containers of runners of this machine that are no more; says how many."""
    listed = ask([runtime, "ps", "--all", "--filter", f"label={label()}", "--format", "{{.Names}}"])
    left = [name for name in listed.stdout.split() if _is_left(name)]
    for name in left:
        remove(runtime, name)
    return len(left)


def name_of(number: str) -> str:
    """The name of a container: it tells which runner has made it."""
    return f"fanfold-{os.getpid()}-{number}"


def label() -> str:
    """What all containers carry whose runners' numbers mean the same: those of one machine, or one container on it."""
    return f"fanfold={os.uname().nodename}-{os.stat('/proc/self/ns/pid').st_ino}"


def _is_left(name: str) -> bool:
    words = name.split("-")
    return len(words) == 3 and words[1].isdigit() and not os.path.exists(f"/proc/{words[1]}")
