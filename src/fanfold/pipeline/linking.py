"""A second name for a published result, so that it is there as long as either name is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fanfold.jobs.models import ResultManifest
from fanfold.ports.blobs import Blobs
from fanfold.runner.staging import MANIFEST_FILE, manifest_files


class ResultGone(Exception):
    """A result that the rows tell of is not there, or not whole."""


def link_result(published: Path, target: Path, manifest: ResultManifest, blobs: Blobs) -> set[Path]:
    """Make `target` the same result; returns the folders that got new names in them, which are not yet on disk. Where
    it raises, ResultGone or OutOfSpace, nothing is left."""
    try:
        return blobs.share(published, target, _files(published, manifest, blobs))
    except FileNotFoundError as err:
        blobs.drop(target)
        raise ResultGone(f"a result that was to be used again is gone: {err.filename or err}") from err
    except BaseException:
        blobs.drop(target)
        raise


def _files(published: Path, manifest: ResultManifest, blobs: Blobs) -> Iterator[tuple[str, int | None]]:
    """The files by name and size; the list of them, where there is one, first."""
    if manifest.files is None:
        yield MANIFEST_FILE, None
    for file in manifest_files(manifest, published, blobs):
        yield file.path, file.size_bytes
