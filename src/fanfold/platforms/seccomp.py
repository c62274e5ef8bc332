"""The system calls that a sandboxed program may not make: those that reach other processes, the kernel or its clock.

A refused call fails with EPERM, as it would for any user without the privilege; `clone3` fails with ENOSYS, so that
libc falls back to `clone`, whose flags a filter can read.
"""

from __future__ import annotations

import ctypes.util
import errno
import importlib
import os
from functools import cache
from types import ModuleType
from typing import Any

NAMESPACE_FLAGS = 0x7E020080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME."""

REFUSED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "perf_event_open", "bpf"),
    *("mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick"),
    *("mount_setattr", "chroot", "unshare", "setns", "userfaultfd", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register", "keyctl", "add_key", "request_key", "kexec_load", "kexec_file_load", "reboot"),
    *("init_module", "finit_module", "delete_module", "swapon", "swapoff", "acct", "quotactl", "syslog"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "stime", "sethostname", "setdomainname"),
    *("iopl", "ioperm", "open_by_handle_at", "name_to_handle_at", "lookup_dcookie", "nfsservctl", "vhangup"),
)
TIOCSTI = 0x5412
TIOCLINUX = 0x541C


@cache
def program() -> bytes:
    """The filter as the kernel takes it; b"" where libseccomp is missing."""
    pyseccomp = _library()
    if pyseccomp is None:
        return b""
    filter_ = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for name in REFUSED:
        _add(filter_, refuse, name)
    _add(filter_, pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for bit in (1 << place for place in range(32)):
        if NAMESPACE_FLAGS & bit:
            filter_.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, bit, bit))
    for request in (TIOCSTI, TIOCLINUX):
        filter_.add_rule(refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, 0xFFFFFFFF, request))
    return _exported(filter_)


def profile() -> dict[str, Any]:
    """The same filter as container runtimes take it."""
    refuse = {"action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}
    rules: list[dict[str, Any]] = [{"names": list(REFUSED), **refuse}]
    rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS})
    for bit in (1 << place for place in range(32)):
        if NAMESPACE_FLAGS & bit:
            masked = {"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}
            rules.append({"names": ["clone"], "args": [masked], **refuse})
    for request in (TIOCSTI, TIOCLINUX):
        masked = {"index": 1, "value": 0xFFFFFFFF, "valueTwo": request, "op": "SCMP_CMP_MASKED_EQ"}
        rules.append({"names": ["ioctl"], "args": [masked], **refuse})
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}


def _library() -> ModuleType | None:
    """pyseccomp, kept from asking ldconfig for its two libraries, which takes 0.1 s (pyseccomp 0.1.2)."""
    asked = ctypes.util.find_library
    vars(ctypes.util)["find_library"] = {"c": None, "seccomp": "libseccomp.so.2"}.get
    try:
        return importlib.import_module("pyseccomp")
    except (ImportError, OSError, RuntimeError):
        return None
    finally:
        vars(ctypes.util)["find_library"] = asked


def _add(filter_: Any, action: int, name: str) -> None:
    """One rule; a call that this architecture or libseccomp does not know needs none."""
    try:
        filter_.add_rule(action, name)
    except (OSError, ValueError, RuntimeError):
        return


def _exported(filter_: Any) -> bytes:
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with open(descriptor, "w+b") as file:
        filter_.export_bpf(file)
        file.seek(0)
        return file.read()


def as_descriptor() -> int | None:
    """The filter in a descriptor to be read from its start; None where there is none."""
    if not program():
        return None
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    os.write(descriptor, program())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
