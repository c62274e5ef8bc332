"""Every setting: name, unit, default and what it means. A file gives way to the environment, that to flags.

Read only by `wiring` and the doors; the core is handed values.
"""

from __future__ import annotations

import math
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fanfold.errors import BadInput, Problem

ENVIRONMENT_PREFIX = "FANFOLD_"
POSTGRES = ("postgresql://", "postgres://")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _eighth_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8


def state_home() -> Path:
    """Where programs keep state for a user: XDG_STATE_HOME, or ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "fanfold"


def _said(default: Any, what: str, *, secret: bool = False) -> Any:
    """A setting's field: its default (a value, or a function that finds it) and its sentence; a secret is not shown."""
    if callable(default):
        return field(default_factory=default, metadata={"what": what})
    return field(default=default, metadata={"what": what}, repr=not secret)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process."""

    state: Path = _said(state_home, "Folder for the database and the job storage.")
    database: str = _said(
        "", "Database: postgresql://user:password@host/name; default: an SQLite file in the state folder.", secret=True
    )
    storage: str = _said("", "Where job data is: s3://bucket/prefix; default: files in the state folder.")
    storage_endpoint: str = _said("", "URL of the S3-compatible store; default: that of Amazon in `storage_region`.")
    storage_region: str = _said("us-east-1", "Region of the store.")
    storage_access_key: str = _said("", "Access key of the store; default: that of the machine's role.", secret=True)
    storage_secret_key: str = _said("", "Secret key of the store.", secret=True)
    storage_cache_bytes: int = _said(
        10 * 1024**3, "Most bytes that copies of stored files take up on each machine's disk."
    )
    role: str = _said(
        "both",
        "What a process is there for: 'api', 'orchestrator' or 'both'; of several orchestrators one works.",
    )
    slots: int = _said(_cores, "How many programs run at a time on this machine; default: its cores.")
    executor: str = _said("local", "Where programs run: 'local' (this machine) or 'ray' (a Ray cluster).")
    region: str = _said("", "The region that this machine belongs to, which jobs may ask for or avoid.")
    ray_address: str = _said(
        "", "The Ray cluster: host:port of its head; default: the one that `fanfold cluster start` has started, if any."
    )
    ray_token_file: str = _said(
        "", "File with the token of the Ray cluster; default: RAY_AUTH_TOKEN or ~/.ray/auth_token."
    )
    ray_auth: str = _said("token", "How the Ray cluster knows us: by 'token', or not at all: 'off'.")
    ray_namespace: str = _said("fanfold", "Name of this installation in the Ray cluster; each there has its own.")
    ray_region_label: str = _said("ray.io/region", "The label of Ray nodes that names their region.")
    ray_node_folder: str = _said(
        "", "Folder on the disk of each Ray node for work and copies, with job data in a bucket; default: as `state`."
    )
    ray_slots: int = _said(0, "Most programs at a time on the Ray cluster; 0: as many as it has cores.")
    python: str = _said(sys.executable, "The interpreter that runs users' Python files.")
    environments: str = _said(
        "", "Folder for the environments of blocks that require packages; default: `environments` in the state folder."
    )
    package_index: str = _said(
        "",
        "URL of the index that packages come from, or 'none'; default: what uv is configured with, else PyPI.",
        secret=True,
    )
    package_folders: str = _said("", "Folders with wheels, colon-separated, that packages come from, too.")
    environment_timeout_s: float = _said(900.0, "Seconds that the packages of one block may take to install.")
    kill_grace_s: float = _said(1.0, "Seconds between asking a program to end (TERM) and ending it (KILL).")
    lease_s: float = _said(
        15.0, "Seconds after which an attempt is given to another runner when nothing is heard of its own."
    )
    drain_timeout_s: float = _said(30.0, "Seconds that running tasks get to end when the server is told to stop.")
    max_partitioning: int = _said(4, "How many jobs may be staged in and partitioned at a time.")
    oversize: str = _said(
        "wait", "A block that asks for more than the largest runner has: 'wait' or 'clamp' it to that."
    )
    host: str = _said("127.0.0.1", "Address the server listens on.")
    port: int = _said(8480, "Port the server listens on; 0 chooses a free one.")
    public_url: str = _said("", "Where clients reach the server, for links; default: its address and port.")
    allowed_hosts: str = _said("", "Host names the server is known by, comma-separated, besides its own address.")
    cors_origins: str = _said("", "Origins whose pages may call the API, comma-separated.")
    master_key_file: str = _said(
        "", "File of the keys that secrets are sealed with; default: `master-key.json` in the state folder."
    )
    master_key: str = _said(
        "", "The keys that secrets are sealed with, instead of a file: each 32 bytes in base64.", secret=True
    )
    local_folders: str = _said(
        "", "Folders the `local` data source may use on a server, colon-separated; none by default."
    )
    allow_private_urls: str = _said("off", "Whether `url` sources may lie in private networks: 'on' or 'off'.")
    max_upload_bytes: int = _said(100 * 1024**3, "Largest upload, `url` source and file of a cache, in bytes.")
    max_push_bytes: int = _said(100 * 1024**2, "Largest archive of a block that is pushed, in bytes.")
    requests_per_s: float = _said(500.0, "Requests a second that one key may make; twice as many in a burst.")
    containers: str = _said(
        "auto", "What runs images: 'podman', 'docker', 'auto' (the first of them that works) or 'off'."
    )
    container_fallback: str = _said(
        "on", "Whether blocks whose python:* image cannot be had run as plain processes: 'on' or 'off'."
    )
    isolation: str = _said(
        "auto", "Whether programs run in a sandbox: 'auto' (where there can be one), 'required' or 'off'."
    )
    network: str = _said("off", "Whether sandboxed programs may use the network: 'on' or 'off'.")
    warm: str = _said("on", "Whether Python programs start as forks of a prepared process: 'on' or 'off'.")
    warm_idle_s: float = _said(1.0, "Seconds that a prepared process waits for its next program.")
    warm_max_bytes: int = _said(
        _eighth_of_memory, "Most memory of all prepared processes, in bytes; default: an eighth of the machine's."
    )
    max_processes: int = _said(512, "Most processes and threads that a program may have at a time.")
    max_open_files: int = _said(1024, "Most files that each process of a program may have open.")
    max_file_bytes: int = _said(100 * 1024**3, "Largest file that a program may write, in bytes.")
    max_disk_bytes: int = _said(100 * 1024**3, "Most bytes on disk that a program's folders may take, its input apart.")
    max_cache_bytes: int = _said(100 * 1024**3, "Most bytes on disk that the cache of an account may take.")
    max_files: int = _said(
        1_000_000, "Most files and folders that a program's folders, its input apart, or a cache may have."
    )
    max_log_bytes: int = _said(1024**3, "Most bytes that a program may print.")
    disk_low_bytes: int = _said(
        512 * 1024**2, "Free bytes on the disk of the state folder under which a server takes no new work; 0: none."
    )
    disk_high_bytes: int = _said(1024**3, "Free bytes at which it goes on; at least `disk_low_bytes`.")
    grace_period_h: float = _said(
        72.0, "Hours for which an account whose balance is below zero may still run jobs, on a server that charges."
    )
    chip_usd: float = _said(0.0, "What a chip is worth in US dollars, where money is shown; 0: it is not.")
    test_max_chunks: int = _said(100, "Most chunks of a test job, on a server that charges.")
    test_max_s: float = _said(600.0, "Most seconds that a test job runs, on a server that charges.")
    full_disk: str = _said("wait", "What a job does when a disk is full: 'wait' for space, or 'fail'.")

    @classmethod
    def load(cls, file: Path | None = None, environment: Mapping[str, str] | None = None, **flags: Any) -> Settings:
        """Merge file < environment < flags (None: not given); raises BadInput that names every wrong one."""
        problems: list[Problem] = []
        found: dict[str, Any] = {}
        given = {name: value for name, value in flags.items() if value is not None}
        sources = (("file", _from_file(file)), ("environment", _from_environment(environment)), ("flags", given))
        for source, values in sources:
            for name, value in values.items():
                _take(found, name, value, source, problems)
        if problems:
            raise BadInput("the settings are not right", problems)
        settings = replace(cls(), **found)
        if settings.database and not settings.database.startswith(POSTGRES):
            said = "expected postgresql://user:password@host/name, or nothing for an SQLite file"
            raise BadInput("the settings are not right", [Problem("database", said)])
        if wrong := _storage_problem(settings):
            raise BadInput("the settings are not right", [wrong])
        if settings.role != "both" and not settings.database:
            said = "one process owns an SQLite file and does both; name a PostgreSQL database to part them"
            raise BadInput("the settings are not right", [Problem("role", said)])
        if settings.disk_high_bytes < settings.disk_low_bytes:
            said = f"expected at least disk_low_bytes ({settings.disk_low_bytes}), found {settings.disk_high_bytes}"
            raise BadInput("the settings are not right", [Problem("disk_high_bytes", said)])
        return settings


_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]{0,200})?")
_ENDPOINT = re.compile(r"https?://[^/?#@\s]+/?")


def _storage_problem(settings: Settings) -> Problem | None:
    """What is wrong with where job data is to be."""
    if settings.storage and (not _BUCKET.fullmatch(settings.storage) or ".." in settings.storage):
        return Problem("storage", f"expected s3://bucket or s3://bucket/prefix, found {settings.storage[:100]!r}")
    if settings.storage_endpoint and not _ENDPOINT.fullmatch(settings.storage_endpoint):
        return Problem("storage_endpoint", "expected http://host:port or https://host, without a path or a password")
    if bool(settings.storage_access_key) != bool(settings.storage_secret_key):
        return Problem("storage_secret_key", "give both keys of the store, or none for the machine's role")
    return None


_KINDS: Mapping[str, type] = {"int": int, "float": float, "str": str, "Path": Path}
_SIZES = ("max_file_bytes", "max_disk_bytes", "max_cache_bytes", "max_log_bytes")
_LEAST: Mapping[str, float] = {
    "slots": 1,
    "max_partitioning": 1,
    "lease_s": 0.1,
    "max_upload_bytes": 1,
    "max_push_bytes": 1,
    **dict.fromkeys((*_SIZES, "max_processes", "max_files"), 1),
    "max_open_files": 16,
    "test_max_chunks": 1,
    "test_max_s": 1,
    "requests_per_s": 0.1,
}
"""The smallest value that lets work go on; other numbers may be 0."""

_ON_OFF = ("on", "off")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "executor": ("local", "ray"),
    "ray_auth": ("token", "off"),
    "oversize": ("wait", "clamp"),
    "role": ("both", "api", "orchestrator"),
    "container_fallback": _ON_OFF,
    "containers": ("auto", "podman", "docker", "off"),
    "allow_private_urls": _ON_OFF,
    "full_disk": ("wait", "fail"),
    "isolation": ("auto", "required", "off"),
    "network": _ON_OFF,
    "warm": _ON_OFF,
}


def _from_file(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as err:
        raise BadInput(f"the settings file '{file}' cannot be read: {err}") from err


def _from_environment(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    names = {item.name for item in fields(Settings)}
    given = {} if environment is None else environment
    found = {key.removeprefix(ENVIRONMENT_PREFIX).lower(): value for key, value in given.items() if _is_ours(key)}
    return {name: value for name, value in found.items() if name in names}


def _is_ours(key: str) -> bool:
    return key.startswith(ENVIRONMENT_PREFIX)


def _take(found: dict[str, Any], name: str, value: Any, source: str, problems: list[Problem]) -> None:
    known = {item.name: str(item.type) for item in fields(Settings)}
    if name not in known:
        problems.append(Problem(f"{source}: {name}", f"unknown setting; known are {', '.join(sorted(known))}"))
        return
    try:
        parsed = _parsed(_KINDS[known[name]], value)
    except (TypeError, ValueError):
        problems.append(Problem(f"{source}: {name}", f"expected {known[name]}, found {value!r}"))
        return
    if name in _CHOICES and parsed not in _CHOICES[name]:
        problems.append(Problem(f"{source}: {name}", f"expected one of {', '.join(_CHOICES[name])}, found {value!r}"))
        return
    if isinstance(parsed, int | float) and not _LEAST.get(name, 0) <= parsed < math.inf:
        problems.append(
            Problem(f"{source}: {name}", f"expected a number of at least {_LEAST.get(name, 0)}, found {value!r}")
        )
        return
    found[name] = parsed


def _parsed(kind: type, value: Any) -> Any:
    """A value in the kind of its setting, read from text where it is text; raises TypeError for any other."""
    fitting: Mapping[type, tuple[type, ...]] = {
        int: (str, int),
        float: (str, int, float),
        str: (str,),
        Path: (str, Path),
    }
    if isinstance(value, bool) or not isinstance(value, fitting[kind]):
        raise TypeError
    return kind(value)
