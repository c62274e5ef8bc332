"""Publishing one result by itself, as `fanfold.runner.settling` does with several."""

from pathlib import Path

from fanfold.jobs.models import ResultManifest
from fanfold.ports.blobs import Blobs
from fanfold.runner.staging import take_result


def stage_out(made: Path, published: Path, blobs: Blobs, hashed: bool, most_bytes: int | None = None) -> ResultManifest:
    """Publish what a program left in `made` under its final name; nothing where `take_result` raises."""
    taken = take_result(made, hashed, most_bytes)
    blobs.publish(made, published, taken.names)
    return taken.manifest
