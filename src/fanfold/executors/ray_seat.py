"""A seat in a Ray cluster for a machine that is none of its nodes: a node without cores, as long as its driver lives.

A driver works over a raylet of its own machine only: Ray (2.60, `get_node_to_connect_for_driver`) looks for one among
the processes that it sees, and gives up after a minute. A server on another machine, or in a container, sees none. So
it joins: a node with no cores, no GPUs and no memory, where Ray starts nothing and Fanfold sees no place for programs.

`python -m fanfold.executors.ray_seat <address> <folder> <socket>` keeps it. It says in a line that the node is up ("")
or what went wrong, and ends the node, by pid, when the socket does: that is when the driver ends, whatever ended it.
TERM is as good as that. A keeper that was killed leaves its node; the next one that takes a seat here ends it: a seat's
folder is locked while its keeper lives.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

from fanfold.effects import Effects
from fanfold.errors import Broken
from fanfold.executors.ray_cluster import COMMON, STARTED, TrialNode, end_nodes

SEAT = "ff-seat-"
MADE = "ff-new-"
KEEPER = (sys.executable, "-P", "-m", "fanfold.executors.ray_seat")
REACH_S = 30.0
ASK_S, AGAIN_S = 5.0, 1.0
UP_S = 40.0
"""Together less than a bridge has until its first word (`ray_link.STARTS_S`)."""

LOOK_S = 0.2
LOG = "start.log"

_NOTHING = ("--num-cpus", "0", "--num-gpus", "0", "--memory", "0")
_WHY = re.compile(r"^[\w.]+(?:Error|Exception): ", re.MULTILINE)


def take_seat(address: str) -> str | None:
    """The folder of a node that this process has had join, to be named to Ray; None where a node of that cluster runs
    on this machine. It ends with this process, and this process with it. Raises Broken where it cannot join."""
    if address == "auto" or "://" in address or is_node(address):
        return None
    _reach(address)
    clear_seats()
    folder, lock = _made_seat()
    ours, theirs = socket.socketpair()
    command = [*KEEPER, address, folder, str(theirs.fileno())]
    keeper = Effects().spawn(command, dict(os.environ), None, None, keep=(theirs.fileno(), lock))
    theirs.close()
    os.close(lock)
    said = ours.makefile().readline()
    if said != "\n":
        raise Broken(f"this machine could not join the cluster: {said.strip() or 'its keeper was ended'}")
    threading.Thread(target=_leave_with, args=(keeper, ours), name="fanfold-ray-seat", daemon=True).start()
    return folder


def _made_seat() -> tuple[str, int]:
    """The folder of a new seat and the descriptor that locks it. It has its name once it is locked: nobody ever takes
    it for one that was left."""
    made = Path(tempfile.mkdtemp("", MADE))
    lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = made.with_name(SEAT + made.name.removeprefix(MADE))
    Effects().rename(made, folder)
    return str(folder), lock


def clear_seats() -> None:
    """End the nodes of this user's seats whose keepers are gone, and remove their folders. What cannot be removed now
    goes another time."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SEAT}*"):
        with suppress(OSError):  # as that a keeper holds it, or that it is another user's
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _clear(folder, lock)
            finally:
                os.close(lock)


def _clear(folder: Path, lock: int) -> None:
    if os.fstat(lock).st_uid == os.geteuid():
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        end_nodes(_nodes_in(str(folder)))
        Effects().remove_tree(folder)


def _nodes_in(folder: str) -> list[TrialNode]:
    """The process groups, one per node, of this user's processes that were told to work in a folder."""
    groups = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            words = process.cmdline()
            is_told = f"--temp_dir={folder}" in words or ("--temp-dir", folder) in pairwise(words)
            if is_told and process.uids().effective == os.geteuid():
                groups.add(os.getpgid(process.pid))
    return [TrialNode(group, 0.0, "", head=False) for group in groups]


def is_node(address: str) -> bool:
    """Whether a node of the cluster at `host:port` is among the processes of this machine. Seats are other drivers'."""
    ends = _ends(address)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "raylet":
                words = process.cmdline()
                is_seat = Path(_flag(words, "--temp_dir")).name.startswith(SEAT)
                if not is_seat and ends & _ends(_flag(words, "--gcs-address")):
                    return True
    return False


def _flag(words: Sequence[str], name: str) -> str:
    return next((word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}=")), "")


def _ends(address: str) -> frozenset[tuple[str, str]]:
    """What an address may mean: a machine's own addresses are all the same, since Ray tells others than it was told."""
    host, _, port = address.rpartition(":")
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)}
    except OSError:
        return frozenset()
    own = {entry.address for entries in psutil.net_if_addrs().values() for entry in entries}
    return frozenset((one, port) for one in (found | own if found & own else found))


def _reach(address: str) -> None:
    """Until the head answers: Ray itself would say nothing for minutes."""
    host, _, port = address.rpartition(":")
    give_up = time.monotonic() + REACH_S
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), ASK_S).close()
        except (OSError, ValueError) as err:
            if time.monotonic() > give_up or isinstance(err, ValueError):
                raise Broken(f"nobody answers there: {err}") from err
            time.sleep(AGAIN_S)
        else:
            return


def _leave_with(keeper: subprocess.Popen[bytes], line: socket.socket) -> None:
    """A driver without its node hears nothing any more; the next one takes a seat of its own."""
    with line:
        keeper.wait()
        os._exit(1)


def keep(address: str, folder: Path, line: socket.socket) -> None:
    """Have a node join, say how that went, and end it with whom it is for."""
    effects = Effects()
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--address", address]
    try:
        with (folder / LOG).open("wb") as log:
            options = ["--temp-dir", str(folder), *_NOTHING, *COMMON]
            process = effects.spawn([*command, *options], dict(os.environ), None, log.fileno())
        node = TrialNode(process.pid, psutil.Process(process.pid).create_time(), "", head=False)
        try:
            why = _joined(process, folder / LOG, line)
            with suppress(BrokenPipeError):
                line.sendall(f"{why}\n".encode())
            while not why and process.poll() is None and not _left_alone(line):
                continue
        finally:
            end_nodes([node])
            process.wait()
    finally:
        effects.remove_tree(folder)


def _joined(process: subprocess.Popen[bytes], log: Path, line: socket.socket) -> str:
    """Why the node is not up, in a line; nothing once it is."""
    give_up = time.monotonic() + UP_S
    while STARTED not in (said := log.read_text(errors="replace")):
        if process.poll() is not None:
            reasons = [found.start() for found in _WHY.finditer(said)]
            return (
                " ".join(said[reasons[-1] if reasons else -500 :].split())[:500] or f"Ray ended with {process.poll()}"
            )
        if _left_alone(line):
            return "it was ended"
        if time.monotonic() > give_up:
            return f"it was not up after {UP_S:g} s"
    return ""


def _left_alone(line: socket.socket) -> bool:
    """Whether whom this is for is gone; looks for a moment."""
    return bool(select.select([line], [], [], LOOK_S)[0])


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[3])) as to_driver:
        to_driver.set_inheritable(False)
        signal.signal(signal.SIGTERM, lambda *_: to_driver.shutdown(socket.SHUT_RD))
        keep(sys.argv[1], Path(sys.argv[2]), to_driver)
