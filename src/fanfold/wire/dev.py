"""Blocks, templates and caches as the public API shapes them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fanfold.wire.base import Page, Shape
from fanfold.wire.jobs import DataSourceDataSource, JobAppParams


class PlatformConfig(Shape):
    """What starts a block's program. Credentials never come back."""

    container: str = ""
    private_image: bool = False
    username: str = ""
    secrets: list[str] = []
    requirements: list[str] = []
    preload: list[str] = []


class DeviceRequirements(Shape):
    """What one run needs and may use: cores, GiB, GPU models of which any will do."""

    min_cpu: float = 1.0
    min_memory: float = 1.0
    gpu: list[str] = []


class Block(Shape):
    """One version of a block. `hash` is the base64 SHA-256 of the archive that `link` gives."""

    id: str
    name: str
    version: str
    owner: str
    type: str
    status: str
    description: str
    hash: str
    link: str
    entrypoint: str
    revision: int
    created_at: str | None = None
    updated_at: str | None = None
    deleted_at: str | None = None
    platform: str
    platform_config: PlatformConfig
    device_requirements: DeviceRequirements
    is_public: bool
    params_schema: dict[str, Any] = Field(default={}, alias="schema")


class AppApp(Block):
    """An app."""


class EngineEngine(Block):
    """A partitioner or an assembler."""


class AppAnswer(Shape):
    """One app; after a push, what was ignored of its template."""

    app: AppApp
    warnings: list[str] = []


class AppsAnswer(Shape):
    """A page of apps."""

    apps: list[AppApp]
    pagination: Page


class EngineAnswer(Shape):
    """One engine."""

    engine: EngineEngine
    warnings: list[str] = []


class EnginesAnswer(Shape):
    """A page of engines."""

    engines: list[EngineEngine]
    pagination: Page


class BlockStatusAnswer(Shape):
    """Whether new jobs may use a block: `active` or `inactive`."""

    status: str


class PushRequest(Shape):
    """A block as JSON: its archive in base64, and what is not in the archive or differs from it."""

    manifest: dict[str, Any] | None = None
    params_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    template: dict[str, Any] | None = None
    archive: str = ""


class TemplateTemplate(Shape):
    """A job's defaults under a name."""

    id: str
    name: str = ""
    owner: str = ""
    description: str = ""
    app: str
    partitioner: str = "passthrough"
    assembler: str = "passthrough"
    data_source: DataSourceDataSource | None = None
    data_destination: DataSourceDataSource | None = None
    params: JobAppParams = JobAppParams()
    config: dict[str, Any] = {}
    is_public: bool = False
    imported_from: str = ""
    created_at: str | None = None
    updated_at: str | None = None


class TemplateAnswer(Shape):
    """One template; after it was written, what was ignored of the request."""

    template: TemplateTemplate
    warnings: list[str] = []


class TemplatesAnswer(Shape):
    """A page of templates."""

    templates: list[TemplateTemplate]
    pagination: Page


class CacheFile(Shape):
    """A file or folder in a cache; a folder's size is 0."""

    name: str
    is_folder: bool
    size: int


class CacheAnswer(Shape):
    """What is in a folder of a cache."""

    files: list[CacheFile]
