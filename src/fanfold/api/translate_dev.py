"""Blocks, templates and cache entries as the public API shows them."""

from __future__ import annotations

from typing import Any

from fanfold.api.translate import rfc3339
from fanfold.jobs.blocks import GIB, BlockType, read_manifest
from fanfold.ports.blocks import BlockRecord
from fanfold.ports.templates import TemplateRecord
from fanfold.services.caches import CacheEntry


def block_json(block: BlockRecord, public_url: str) -> dict[str, Any]:
    """Every public field of a block; one that is built in has no archive, hence neither hash nor link."""
    manifest = read_manifest(block.manifest)
    group = "apps" if block.type is BlockType.APP else "engines"
    kind = "" if block.type is BlockType.APP else f"?type={block.type.value}"
    link = f"{public_url}/v1/dev/{group}/{block.tag}/download{kind}" if block.archive else ""
    return {
        **{name: getattr(block, name) for name in ("id", "name", "version", "description", "hash", "revision")},
        "owner": block.account_id,
        "type": block.type.value,
        "status": block.status.value,
        "link": link,
        "entrypoint": manifest.entrypoint,
        "createdAt": rfc3339(block.created_at),
        "updatedAt": rfc3339(block.updated_at),
        "deletedAt": rfc3339(block.deleted_at),
        "platform": manifest.platform.value,
        "platformConfig": {
            "container": manifest.image,
            "privateImage": manifest.private_image,
            "username": manifest.registry_username,
            "secrets": list(manifest.secrets),
            "requirements": list(manifest.requirements),
            "preload": list(manifest.preload),
        },
        "deviceRequirements": {
            "minCpu": manifest.device.cores,
            "minMemory": manifest.device.memory_bytes / GIB,
            "gpu": list(manifest.device.gpus),
        },
        "isPublic": block.is_public,
        "schema": dict(block.schema),
    }


def template_json(record: TemplateRecord) -> dict[str, Any]:
    """Every public field of a template; its name is its id."""
    template = record.template
    return {
        "id": template.id,
        "name": template.id,
        "owner": record.account_id,
        "description": template.description,
        "app": template.app,
        "partitioner": template.partitioner,
        "assembler": template.assembler,
        "dataSource": dict(template.data_source) or None,
        "dataDestination": dict(template.data_destination) or None,
        "params": dict(template.params),
        "config": dict(template.config),
        "isPublic": record.is_public,
        "importedFrom": record.imported_from,
        "createdAt": rfc3339(record.created_at),
        "updatedAt": rfc3339(record.updated_at),
    }


def entry_json(entry: CacheEntry) -> dict[str, Any]:
    """A file or folder of a cache."""
    return {"name": entry.name, "isFolder": entry.is_folder, "size": entry.size_bytes}
