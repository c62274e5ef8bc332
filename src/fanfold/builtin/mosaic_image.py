"""Assembler `mosaic-image`: tiles back into their pictures, or any pictures side by side on one sheet."""

from __future__ import annotations

import os

from fanfold.builtin.describing import manifest, output_file, schema, whole
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import assembler_params, folder, run
from fanfold.builtin.results import create, output_path, results
from fanfold.builtin.sources import shown
from fanfold.builtin.tiles import MAX_PIXELS, PIXELS, Tile, tile_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanfold.builtin.parameters import Params
    from fanfold.builtin.pictures import Picture
    from fanfold.builtin.results import Result

    Placed = dict[tuple[int, int], Result]  # by row and column, from 0

MANIFEST = manifest("mosaic-image", "assembler", "Puts tiles back into their pictures, or pictures onto one sheet.")
SCHEMA = schema(
    {
        "output": output_file("mosaic.png", shared=False)
        | {"description": "Name of the output file, for one picture. Left out: that of the picture, or `mosaic.png`."},
        "columns": whole(1, "How many results stand side by side on a sheet, whatever their labels say."),
        "max_pixels": PIXELS,
    }
)


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = [result for result in results() if os.stat(result.path).st_size]
    tiles = [] if "columns" in params else [(tile, result) for result in found if (tile := tile_of(result.label))]
    if tiles and len(tiles) == len(found):
        _join_tiles(tiles, params)
    elif found:
        columns = params.whole("columns") or _about_square(len(found))
        placed = {divmod(place, columns): result for place, result in enumerate(found)}
        _write("mosaic", placed, params, exact=False)


def _about_square(count: int) -> int:
    return next(side for side in range(1, count + 1) if side * side >= count)


def _join_tiles(tiles: Sequence[tuple[Tile, Result]], params: Params) -> None:
    pictures: dict[str, list[tuple[Tile, Result]]] = {}
    for tile, result in tiles:
        pictures.setdefault(tile.picture, []).append((tile, result))
    if len(pictures) > 1 and "output" in params:
        raise InputRefused(f'param "output" names one file, but there are {len(pictures)} pictures: leave it out')
    for picture, parts in pictures.items():
        _write(picture, _grid(picture, parts), params, exact=True)


def _grid(picture: str, parts: Sequence[tuple[Tile, Result]]) -> Placed:
    """The tiles by their place; refuses one that is missing, given twice, or of another grid."""
    first = parts[0][0]
    placed: Placed = {}
    for tile, result in parts:
        place = (tile.row - 1, tile.column - 1)
        if (tile.columns, tile.rows) != (first.columns, first.rows) or place in placed:
            raise InputRefused(f"{result.title} is one picture too many: a tile must give one result")
        placed[place] = result
    if len(placed) < first.columns * first.rows:
        row, column = next(
            (row, column) for row in range(first.rows) for column in range(first.columns) if (row, column) not in placed
        )
        raise InputRefused(f'of "{shown(picture)}" the tile in column {column + 1}, row {row + 1} is missing')
    return placed


def _write(picture: str, placed: Placed, params: Params, *, exact: bool) -> None:
    from fanfold.builtin import pictures

    max_pixels = params.whole("max_pixels") or MAX_PIXELS
    heads = {place: pictures.head(result.title, result.path, max_pixels) for place, result in placed.items()}
    modes = {mode for _, _, mode in heads.values()}
    mode = modes.pop() if len(modes) == 1 else "RGBA"
    widths, heights = _sides(placed, heads, exact=exact)
    pictures.refuse_size(picture, sum(widths), sum(heights), max_pixels)
    path = _path(picture, pictures.lossless(mode), params)
    suffix = pictures.suffix_of(path)
    canvas = pictures.blank(mode, sum(widths), sum(heights))
    profile = _fill(canvas, placed, (widths, heights), max_pixels)
    target = create(path)
    try:
        pictures.save(canvas, target, suffix, profile=profile)
    finally:
        os.close(target)


def _sides(
    placed: Placed, heads: dict[tuple[int, int], tuple[int, int, str]], *, exact: bool
) -> tuple[list[int], list[int]]:
    """The width of each column and the height of each row; refuses tiles that leave a gap, if `exact`."""
    widths = [0] * (1 + max(column for _, column in placed))
    heights = [0] * (1 + max(row for row, _ in placed))
    for (row, column), (width, height, _) in heads.items():
        widths[column] = max(widths[column], width)
        heights[row] = max(heights[row], height)
    for (row, column), (width, height, _) in heads.items():
        if exact and (width, height) != (widths[column], heights[row]):
            raise InputRefused(
                f"{placed[row, column].title} has {width}x{height} pixels; "
                f"beside the other tiles it must have {widths[column]}x{heights[row]}"
            )
    return widths, heights


def _path(picture: str, suffix: str, params: Params) -> str:
    if "output" in params:
        return output_path(params, (), "")
    if picture.startswith("/") or "\0" in picture or ".." in picture.split("/"):
        raise InputRefused(f'"{shown(picture)}" is no name of a picture inside the output: give the param "output"')
    same = os.path.splitext(picture)[1].lower() in {suffix, suffix.removesuffix("f")}
    path = os.path.join(folder("OUTPUT_DIR"), picture if same else picture + suffix)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _fill(canvas: Picture, placed: Placed, sides: tuple[Sequence[int], Sequence[int]], max_pixels: int) -> bytes | None:
    """Puts each result in its place; the colour profile of the first one."""
    from fanfold.builtin.pictures import decoded

    widths, heights = sides
    profile: bytes | None = None
    for number, ((row, column), result) in enumerate(placed.items()):
        part, own_profile = decoded(result.title, result.path, max_pixels)
        profile = profile if number else own_profile
        same = part if part.mode == canvas.mode else part.convert(canvas.mode)
        canvas.paste(same, (sum(widths[:column]), sum(heights[:row])))
    return profile


if __name__ == "__main__":
    main()
