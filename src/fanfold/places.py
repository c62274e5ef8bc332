"""Where job data is at rest and packages come from, as the settings say it: for a server and for its runners."""

from __future__ import annotations

from pathlib import Path

from fanfold.effects import Effects
from fanfold.ports.blobs import BlobPlace
from fanfold.ports.environments import EnvironmentPlace, Environments
from fanfold.runner.environments import UvEnvironments
from fanfold.settings import Settings

PATIENCE_S = 20.0
"""A server asks a silent job storage again for so long, and then does what else there is to do before it tries anew."""

RUNNER_PATIENCE_S = 600.0
"""A runner has nothing else to do: it keeps what its program made for so long."""


def storage_of(settings: Settings, patience_s: float = PATIENCE_S) -> BlobPlace:
    """Where job data is at rest."""
    if not settings.storage:
        return BlobPlace()
    bucket, _, prefix = settings.storage.removeprefix("s3://").partition("/")
    return BlobPlace(
        "s3",
        bucket,
        prefix,
        settings.storage_endpoint,
        settings.storage_region,
        settings.storage_access_key,
        settings.storage_secret_key,
        settings.storage_cache_bytes,
        patience_s,
    )


def environments_of(settings: Settings, effects: Effects) -> Environments:
    """What builds the environments of blocks that require packages."""
    return UvEnvironments(
        Path(settings.environments or settings.state / "environments"),
        settings.python,
        effects,
        index=settings.package_index,
        links=_folders_of(settings.package_folders),
        timeout_s=settings.environment_timeout_s,
    )


def made_on_nodes(settings: Settings, node_folder: Path) -> EnvironmentPlace:
    """How nodes make environments. Folders with wheels are theirs."""
    return EnvironmentPlace(
        str(node_folder / "environments"),
        settings.python,
        settings.package_index,
        tuple(_folders_of(settings.package_folders)),
        settings.environment_timeout_s,
    )


def _folders_of(told: str) -> list[str]:
    return [folder for folder in told.split(":") if folder]
