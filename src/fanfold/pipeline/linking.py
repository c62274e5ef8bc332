"""A second name for a published result, so that it is there as long as either name is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fanfold.effects import Effects, enough_space
from fanfold.jobs.models import ResultFile, ResultManifest
from fanfold.ports.blobs import Blobs
from fanfold.runner.staging import MANIFEST_FILE, manifest_files


class ResultGone(Exception):
    """A result that the rows tell of is not there, or not whole."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """One file of a result that is put together: its path below the result's folder, and where it lies now."""

    path: str
    source: Path
    size_bytes: int
    sha256: str


def gather(files: Sequence[Gathered], part: Path, target: Path, effects: Effects) -> ResultManifest:
    """Make a result of files that are published already, by links; made in `part`, it appears at `target` whole and on
    disk. What an earlier try left in either place goes, but for the very same result: another server may have told it
    by now. Raises ResultGone, OutOfSpace."""
    listed = sorted((ResultFile(file.path, file.size_bytes, file.sha256) for file in files), key=lambda file: file.path)
    manifest = ResultManifest(len(listed), sum(file.size_bytes for file in listed), tuple(listed))
    effects.remove_tree(part)
    if _is_there(files, target):
        effects.fsync_folder(target.parent)
        return manifest
    effects.make_folder(part)
    made = {part}
    for file in files:
        place = part / file.path
        if place.parent not in made:
            effects.make_folder(place.parent)
            made |= {folder for folder in place.parents if folder.is_relative_to(part)}
        try:
            with enough_space(place):
                effects.link_or_copy(file.source, place)
        except FileNotFoundError as err:
            raise ResultGone(f"the result '{file.path}' is gone: {err}") from err
    for folder in sorted(made):
        effects.fsync_folder(folder)
    effects.remove_tree(target)
    effects.rename(part, target)
    effects.fsync_folder(target.parent)
    return manifest


def _is_there(files: Sequence[Gathered], target: Path) -> bool:
    """Whether these files, and no others, have their second names below `target`."""
    try:
        same = all((target / file.path).samefile(file.source) for file in files)
    except OSError:
        return False
    return same and target.is_dir() and sum(path.is_file() for path in target.rglob("*")) == len(files)


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
