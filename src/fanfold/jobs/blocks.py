"""Block manifests and templates: what a person writes about a block, read into values, with every mistake named."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, TypeVar

from fanfold.errors import BadManifest, Problem
from fanfold.jobs.models import JsonObject
from fanfold.jobs.requirements import EXPECTED, MOST, is_requirement, listed_in
from fanfold.jobs.tags import NAME_PATTERN, VERSION_PATTERN

E = TypeVar("E", bound=StrEnum)

GIB = 1024**3
MAX_CORES = 4096
MAX_MEMORY_GIB = 65536


class BlockType(StrEnum):
    """What a block is; partitioners and assemblers together are called engines."""

    APP = "app"
    PARTITIONER = "partitioner"
    ASSEMBLER = "assembler"


class PlatformKind(StrEnum):
    """What starts a program: the machine's own interpreter in a sandbox, or an image."""

    PROCESS = "process"
    DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class Device:
    """What one run needs and may use: cores, memory in bytes, GPU models of which any will do."""

    cores: float = 1.0
    memory_bytes: int = GIB
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A block's manifest.json, checked. `entrypoint` is relative to the block's `app` folder."""

    name: str
    version: str
    type: BlockType = BlockType.APP
    description: str = ""
    entrypoint: str = "main.py"
    platform: PlatformKind = PlatformKind.PROCESS
    image: str = ""
    private_image: bool = False
    registry_username: str = ""
    secrets: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    device: Device = field(default_factory=Device)
    deterministic: bool = False
    reentrant: bool = False
    params_file: bool = False


def read_manifest(data: object) -> Manifest:
    """Check a parsed manifest.json; raises BadManifest that names every mistake: key, value, what was expected."""
    reader = _Reader(data)
    manifest = reader.manifest()
    if reader.problems:
        raise BadManifest("the manifest is not right", reader.problems)
    return manifest


_SHOWN = reprlib.Repr()
_SHOWN.maxlevel, _SHOWN.maxstring = 3, 80

_SNAKE = re.compile(r"(?<=[a-z0-9])([A-Z])")


def snake(name: str) -> str:
    """`platformConfig` as `platform_config`; names already in snake_case stay."""
    return _SNAKE.sub(lambda found: f"_{found.group(1).lower()}", name)


def with_requirements(manifest: Any, text: str) -> Any:
    """A manifest's data with what the requirements.txt beside it lists, where the block runs as a process and the
    manifest lists none itself."""
    if not isinstance(manifest, Mapping) or manifest.get("platform", "process") != "process":
        return manifest
    key = next((str(name) for name in manifest if snake(str(name)) == "platform_config"), "platform_config")
    platform = manifest.get(key)
    if platform is not None and (not isinstance(platform, Mapping) or platform.get("requirements")):
        return manifest
    listed = listed_in(text)
    return {**manifest, key: {**(platform or {}), "requirements": listed}} if listed else manifest


class _Reader:
    """Reads one manifest key by key and collects problems instead of stopping at the first."""

    KEYS = frozenset(
        {
            *("name", "version", "type", "description", "entrypoint", "platform", "platform_config"),
            *("device_requirements", "deterministic", "reentrant", "params_file"),
        }
    )
    PLATFORM_KEYS = frozenset(
        {"container", "private_image", "username", "token", "secrets", "requirements", "preload"},
    )
    DEVICE_KEYS = frozenset({"min_cpu", "min_memory", "gpu"})

    def __init__(self, data: object) -> None:
        self.problems: list[Problem] = []
        self.data = self._object(data, "", self.KEYS)

    def manifest(self) -> Manifest:
        platform = self._object(self.data.get("platform_config", {}), "platform_config", self.PLATFORM_KEYS)
        kind = self._choice(self.data, "platform", PlatformKind, PlatformKind.PROCESS)
        image = self._text(platform, "container", "platform_config.")
        self._image(image, needed=kind is PlatformKind.DOCKER and platform.get("container", "") == "")
        return Manifest(
            name=self._matching("name", NAME_PATTERN, "letters, digits, '-' and '_', at most 64"),
            version=self._matching("version", VERSION_PATTERN, 'two numbers, "major.minor", such as "0.1"'),
            type=self._choice(self.data, "type", BlockType, BlockType.APP),
            description=self._text(self.data, "description"),
            entrypoint=self._entrypoint(),
            platform=kind,
            image=image,
            private_image=self._flag(platform, "private_image", "platform_config."),
            registry_username=self._text(platform, "username", "platform_config."),
            secrets=self._texts(platform, "secrets", "platform_config."),
            requirements=self._requirements(platform),
            preload=self._texts(platform, "preload", "platform_config."),
            device=self._device(),
            deterministic=self._flag(self.data, "deterministic"),
            reentrant=self._flag(self.data, "reentrant"),
            params_file=self._flag(self.data, "params_file"),
        )

    def _problem(self, key: str, found: object, expected: str) -> None:
        text = found if isinstance(found, str) and found == "nothing" else _SHOWN.repr(found)[:100]
        self.problems.append(Problem(key, f"expected {expected}, found {text}"))

    def _object(self, data: object, key: str, known: frozenset[str]) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            self._problem(key, data, "a JSON object")
            return {}
        named: dict[str, Any] = {}
        for name, value in data.items():
            self._key(snake(str(name)), key, known, named)
            named[snake(str(name))] = value
        return {name: value for name, value in named.items() if value is not None}

    def _key(self, name: str, parent: str, known: frozenset[str], seen: Mapping[str, Any]) -> None:
        """A key is one of those there are, in one of its two spellings."""
        # As `repr` has it, so that no terminal obeys what a manifest says.
        shown = repr(name)[1:-1][:60]
        place = f"{parent}.{shown}" if parent else shown
        if name not in known:
            self.problems.append(Problem(place, f"unknown key; known are {', '.join(sorted(known))}"))
        elif name in seen:
            self.problems.append(Problem(place, "is given twice, in snake_case and in camelCase"))

    def _text(self, data: Mapping[str, Any], key: str, prefix: str = "") -> str:
        value = data.get(key)
        if value is None:
            return ""
        if isinstance(value, str) and "\0" not in value:
            return value
        self._problem(prefix + key, value, "a text")
        return ""

    def _texts(self, data: Mapping[str, Any], key: str, prefix: str) -> tuple[str, ...]:
        value = data.get(key)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) and "\0" not in item for item in value):
            return tuple(value)
        self._problem(prefix + key, value, "a list of texts")
        return ()

    def _requirements(self, platform: Mapping[str, Any]) -> tuple[str, ...]:
        texts = self._texts(platform, "requirements", "platform_config.")
        key = "platform_config.requirements"
        if len(texts) > MOST:
            self._problem(key, f"{len(texts)} of them", f"at most {MOST} packages")
            return ()
        for text in texts:
            if not is_requirement(text):
                self._problem(key, text, EXPECTED)
        return texts

    def _flag(self, data: Mapping[str, Any], key: str, prefix: str = "") -> bool:
        value = data.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._problem(prefix + key, value, "true or false")
        return False

    def _choice(self, data: Mapping[str, Any], key: str, kind: type[E], default: E) -> E:
        value = data.get(key, default.value)
        if value in [item.value for item in kind]:
            return kind(value)
        self._problem(key, value, "one of " + ", ".join(f'"{item.value}"' for item in kind))
        return default

    def _matching(self, key: str, pattern: str, expected: str) -> str:
        value = self.data.get(key, "nothing")
        if key in self.data and isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        self._problem(key, value, expected)
        return ""

    def _entrypoint(self) -> str:
        value = self.data.get("entrypoint", "main.py")
        if value == "":
            return "main.py"
        if isinstance(value, str) and _inside(value):
            return value
        self._problem("entrypoint", value, "a file inside the block's 'app' folder, such as \"main.py\"")
        return "main.py"

    def _image(self, image: str, needed: bool) -> None:
        if needed:
            self._problem("platform_config.container", "nothing", 'the name of an image, such as "python:3.12"')
        elif image and not re.fullmatch(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}", image):
            self._problem("platform_config.container", image, 'the name of an image, such as "python:3.12"')

    def _device(self) -> Device:
        data = self._object(self.data.get("device_requirements", {}), "device_requirements", self.DEVICE_KEYS)
        prefix = "device_requirements."
        cores = self._number(data, "min_cpu", MAX_CORES, "cores")
        memory = self._number(data, "min_memory", MAX_MEMORY_GIB, "GiB")
        return Device(cores, int(memory * GIB), self._texts(data, "gpu", prefix))

    def _number(self, data: Mapping[str, Any], key: str, largest: int, unit: str) -> float:
        value = data.get(key, 1)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= largest:
            return float(value)
        self._problem(f"device_requirements.{key}", value, f"a number of {unit}, more than 0, at most {largest}")
        return 1.0


def _inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\\" not in path and "\0" not in path


@dataclass(frozen=True, slots=True)
class Template:
    """A job's defaults under a name: which three blocks, and values that the job's own win over, key by key."""

    id: str
    app: str
    partitioner: str = "passthrough"
    assembler: str = "passthrough"
    description: str = ""
    data_source: JsonObject = field(default_factory=dict)
    data_destination: JsonObject = field(default_factory=dict)
    params: JsonObject = field(default_factory=dict)
    config: JsonObject = field(default_factory=dict)


def merged(defaults: JsonObject, own: JsonObject) -> dict[str, Any]:
    """`own` over `defaults`, key by key through nested objects; lists and plain values replace."""
    result = dict(defaults)
    for key, value in own.items():
        base = result.get(key)
        nested = isinstance(base, Mapping) and isinstance(value, Mapping)
        result[key] = merged(base, value) if nested and base is not None else value
    return result
