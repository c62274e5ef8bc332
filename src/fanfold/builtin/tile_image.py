"""Partitioner `tile-image`: pictures into rectangular tiles, each a picture of its own."""

from __future__ import annotations

import os

from fanfold.builtin.describing import manifest, schema, whole
from fanfold.builtin.program import ChunkFolder, folder, partitioner_params, run
from fanfold.builtin.sources import sources_in
from fanfold.builtin.tiles import MAX_PIXELS, PIXELS, Tile, label_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fanfold.builtin.sources import FileSource

DEFAULT_SIDE = 512
MANIFEST = manifest("tile-image", "partitioner", "Cuts pictures into rectangular tiles, each a picture of its own.")
SCHEMA = schema(
    {
        "width": whole(
            1, "Pixels from the left to the right side of a tile; the last column may be narrower.", DEFAULT_SIDE
        ),
        "height": whole(1, "Pixels from the top to the bottom of a tile; the last row may be lower.", DEFAULT_SIDE),
        "max_pixels": PIXELS,
    }
)


def main() -> None:
    """Runs as a program."""
    run(_partition)


def _partition() -> None:
    params = partitioner_params(SCHEMA)
    side = (params.whole("width") or DEFAULT_SIDE, params.whole("height") or DEFAULT_SIDE)
    sources = sources_in(folder("SOURCE_DIR"))
    with ChunkFolder(folder("CHUNKS_DIR")) as chunks:
        for source in sources:
            if source.size_bytes:
                _cut(source, side, params.whole("max_pixels") or MAX_PIXELS, chunks)


def _cut(source: FileSource, side: tuple[int, int], max_pixels: int, chunks: ChunkFolder) -> None:
    from fanfold.builtin.pictures import decoded, lossless, save

    width, height = side
    image, profile = decoded(source.name, source.path, max_pixels)
    columns, rows = -(-image.width // width), -(-image.height // height)
    for row in range(rows):
        for column in range(columns):
            left, top = column * width, row * height
            box = (left, top, min(left + width, image.width), min(top + height, image.height))
            target = chunks.create(label_of(Tile(source.name, column + 1, columns, row + 1, rows)))
            try:
                save(image.crop(box), target, lossless(image.mode), profile=profile)
            finally:
                os.close(target)


if __name__ == "__main__":
    main()
