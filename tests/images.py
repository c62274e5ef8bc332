"""Images for tests, made of what this machine has: the interpreter that runs the tests, a shell, a few programs."""

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from functools import cache
from pathlib import Path

from fanfold.platforms import runtime

PYTHON = os.path.realpath(sys.executable)
"""The interpreter: it has the same path in the images as here."""

PROGRAMS = ("sh", "sleep", "cat", "true", "false", "env")
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "__pycache__", "site-packages", "lib2to3"}


def runtime_here() -> str:
    """The container runtime of this machine; "" where there is none that works."""
    return runtime.found(os.environ.get("FANFOLD_TEST_CONTAINERS", "auto"))[0]


@cache
def python_image(command: str) -> str:
    """The id of an image with Python, imported once a session; removed by `forget`."""
    return imported(command, _archive(with_python=True))


@cache
def shell_image(command: str) -> str:
    """The id of an image with a shell and no Python."""
    return imported(command, _archive(with_python=False))


def imported(command: str, archive: bytes) -> str:
    done = subprocess.run([command, "import", "-"], input=archive, capture_output=True, check=True)
    return done.stdout.decode().split()[-1]


def forget(command: str) -> None:
    """Remove the images that were made."""
    for made in (python_image, shell_image):
        if made.cache_info().currsize:
            subprocess.run([command, "rmi", "--force", made(command)], capture_output=True, check=False)
            made.cache_clear()


def _archive(with_python: bool) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        _Root(archive).fill(with_python)
    return data.getvalue()


def _is_left_out(name: str) -> bool:
    """Whether a file or folder of the standard library is of no use to a test; `config-...` is for linkers."""
    return name in LEFT_OUT or name.startswith(("config-", "_tkinter."))


class _Root:
    """A root file system as it is written."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._there: set[str] = set()
        self._binaries: list[str] = []

    def fill(self, with_python: bool) -> None:
        for folder in ("/tmp", "/var/tmp", "/proc", "/dev", "/sys", "/etc", "/run", "/usr/local/bin"):
            self._folder(folder)
        for name in PROGRAMS:
            path = shutil.which(name)
            assert path is not None
            self._binary(os.path.realpath(path), f"/bin/{name}")
        for library in Path("/usr/lib").glob("*/libgcc_s.so.1"):  # which no program names, and threads need
            self._file(str(library), str(library))
        if with_python:
            self._python()
        listed = subprocess.run(["ldd", *self._binaries], capture_output=True, text=True, check=False).stdout
        for found in sorted(set(re.findall(r"(/\S+) \(0x", listed))):
            self._file(found, found)

    def _python(self) -> None:
        library = sysconfig.get_paths()["stdlib"]
        real = os.path.realpath(sys.executable)
        self._binary(real, real)
        self._link("/usr/local/bin/python3", real)
        for folder, folders, names in os.walk(library):
            folders[:] = sorted(name for name in folders if not _is_left_out(name))
            for path in (os.path.join(folder, name) for name in sorted(names) if not _is_left_out(name)):
                (self._binary if path.endswith(".so") else self._file)(path, path)

    def _binary(self, path: str, name: str) -> None:
        self._file(path, name)
        self._binaries.append(path)

    def _file(self, path: str, name: str) -> None:
        if name in self._there:
            return
        self._folder(os.path.dirname(name))
        self._there.add(name)
        entry = tarfile.TarInfo(name.lstrip("/"))
        real = os.path.realpath(path)
        entry.size, entry.mode = os.path.getsize(real), 0o755
        with open(real, "rb") as file:
            self._archive.addfile(entry, file)

    def _link(self, name: str, target: str) -> None:
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._archive.addfile(entry)

    def _folder(self, name: str) -> None:
        if name in self._there or name == "/":
            return
        self._folder(os.path.dirname(name))
        self._there.add(name)
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755
        self._archive.addfile(entry)
