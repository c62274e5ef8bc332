"""What a job's blocks run in: the images that their manifests name, pinned for the whole job before it begins.

A `python:*` image that cannot be had may be replaced by this machine's Python, with a notice; that is pinned, too.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict

from fanfold.errors import BadInput, MissingPart, Unavailable
from fanfold.jobs.blocks import Manifest, PlatformKind, read_manifest
from fanfold.jobs.models import Job, PinnedBlock, Role
from fanfold.jobs.secrets import Credential
from fanfold.pipeline.environments import Interpreters
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.images import Image, Images

INTERPRETER = ("python3",)
"""What runs Python files in an image."""

FindToken = Callable[[Job, PinnedBlock, Manifest], Credential | None]


class JobImages:
    """Fetches, pins and finds the images of jobs."""

    def __init__(self, images: Images, workspace: Workspace, fallback: bool, token: FindToken) -> None:
        self._images = images
        self._workspace = workspace
        self._fallback = fallback
        self._token = token

    def problem(self, image: str) -> str:
        """Why no block may ask for this image here, as a sentence; "" where one may."""
        return "" if may_do_without(image, self._fallback) else self._images.problem()

    def provide(self, job: Job, stopped: Callable[[], bool]) -> None:
        """Fetch what is not here and pin all; an image stays what it was when a job is run again. Raises as
        `ports.images` says. Safe to repeat."""
        assert job.blocks is not None
        before = self._pinned(job)
        pinned: dict[str, Image | None] = {}
        for role in Role:
            manifest = asked(job.blocks.of(role))
            if manifest is None or manifest.image in pinned:
                continue
            known = before.get(manifest.image)
            usable = known is not None and not self._images.problem() and self._images.has(known)
            pinned[manifest.image] = known if usable else self._fetched(job, role, manifest, stopped)
        if pinned != before:
            folder = self._workspace.job(job.id)
            folder.make()
            told = {name: image and asdict(image) for name, image in pinned.items()}
            self._workspace.effects.write_file(folder.images, json.dumps(told).encode(), 0o600)

    def of(self, job: Job, role: Role) -> Image | None:
        """What a job's block runs in; None for no container. Raises BadInput where that was not settled."""
        assert job.blocks is not None
        manifest = asked(job.blocks.of(role))
        if manifest is None:
            return None
        pinned = self._pinned(job)
        if manifest.image not in pinned:
            raise BadInput(f"the image '{manifest.image}' was not fetched", hint="Retry the job: that fetches it.")
        return pinned[manifest.image]

    def notices(self, job: Job) -> tuple[str, ...]:
        """What of a job's blocks runs without the image that it asks for."""
        assert job.blocks is not None
        found = ((role, asked(job.blocks.of(role))) for role in Role)
        pinned = self._pinned(job)
        return tuple(
            notice(role, manifest)
            for role, manifest in found
            if manifest is not None and pinned.get(manifest.image, ...) is None
        )

    def _fetched(self, job: Job, role: Role, manifest: Manifest, stopped: Callable[[], bool]) -> Image | None:
        assert job.blocks is not None
        token = self._token(job, job.blocks.of(role), manifest)
        return fetched(self._images, manifest.image, token, self._fallback, stopped)

    def _pinned(self, job: Job) -> dict[str, Image | None]:
        try:
            told = json.loads(self._workspace.job(job.id).images.read_bytes())
        except FileNotFoundError:
            return {}
        return {name: image and Image(**image) for name, image in told.items()}


def fetched(
    images: Images, name: str, token: Credential | None, fallback: bool, stopped: Callable[[], bool]
) -> Image | None:
    """The image that a name means now; None where this machine's Python may stand in for it and has to. Raises as
    `ports.images` says."""
    try:
        return images.fetch(name, token, stopped)
    except (MissingPart, Unavailable):
        if may_do_without(name, fallback) and not stopped():
            return None
        raise


def may_do_without(image: str, fallback: bool) -> bool:
    """Whether this machine's Python may stand in for an image."""
    return fallback and image.rsplit("/", maxsplit=1)[-1].split(":", maxsplit=1)[0] == "python"


def notice(role: Role, manifest: Manifest) -> str:
    """What is told where it does."""
    return (
        f"{role.value} '{manifest.name}' asks for the image {manifest.image}; it runs without a container, by this "
        f"machine's Python {platform.python_version()}"
    )


class BlockPlatforms:
    """What all of a job's blocks run on: images, else interpreters and their environments."""

    def __init__(self, interpreters: Interpreters, images: JobImages) -> None:
        self.interpreters = interpreters
        self.images = images

    def provide(self, job: Job, stopped: Callable[[], bool]) -> None:
        """Build and fetch what is not there. Raises as `ports.environments` and `ports.images` say. Safe to repeat."""
        self.interpreters.provide(job, stopped)
        self.images.provide(job, stopped)

    def name(self, job: Job, role: Role) -> str | None:
        """The name of all that runs a block, as `jobs.reuse.work_key` needs it."""
        assert job.blocks is not None
        image = self.images.of(job, role)
        return f"image {image.id}" if image is not None else self.interpreters.name(job.blocks.of(role))


def asked(block: PinnedBlock) -> Manifest | None:
    """The manifest of a block that asks for an image; None for one that does not."""
    manifest = None if block.builtin else read_manifest(block.manifest)
    return manifest if manifest is not None and manifest.platform is PlatformKind.DOCKER else None
