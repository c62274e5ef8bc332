"""A second name for a published result: every file of it by link, so that it is there as long as either name is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fanfold.effects import Effects, enough_space
from fanfold.jobs.models import ResultManifest
from fanfold.runner.staging import MANIFEST_FILE, manifest_files


class ResultGone(Exception):
    """A result that the rows tell of is not there, or not whole."""


def link_result(published: Path, target: Path, manifest: ResultManifest, effects: Effects) -> set[Path]:
    """Make `target` the same result; returns the folders that got new names in them, which are not yet on disk. Where
    it raises, ResultGone or OutOfSpace, nothing is left."""
    effects.remove_tree(target)  # what a server left that died before its commit
    try:
        with enough_space(target):
            return {target.parent, *_linked(published, target, manifest, effects)}
    except FileNotFoundError as err:
        effects.remove_tree(target)
        raise ResultGone(f"a result that was to be used again is gone: {err.filename}") from err
    except BaseException:
        effects.remove_tree(target)
        raise


def _linked(published: Path, target: Path, manifest: ResultManifest, effects: Effects) -> set[Path]:
    published.stat()  # one without files has its folder all the same
    effects.make_folder(target)
    made = {target}
    for name, size_bytes in _files(published, manifest):
        place = target / name
        if place.parent not in made:
            effects.make_folder(place.parent)
            made |= {folder for folder in place.parents if folder.is_relative_to(target)}
        effects.link_or_copy(published / name, place)
        _check_size(place, size_bytes)
    return made


def _files(published: Path, manifest: ResultManifest) -> Iterator[tuple[str, int | None]]:
    """The files by name and size; the list of them, where there is one, first."""
    if manifest.files is None:
        yield MANIFEST_FILE, None
    for file in manifest_files(manifest, published):
        yield file.path, file.size_bytes


def _check_size(place: Path, size_bytes: int | None) -> None:
    found = place.stat().st_size
    if size_bytes is not None and found != size_bytes:
        raise ResultGone(f"a result that was to be used again has {found} bytes in '{place.name}', not {size_bytes}")
