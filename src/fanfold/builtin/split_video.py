"""Partitioner `split-video`: videos into segments that begin at key frames, nothing encoded anew."""

from __future__ import annotations

from fanfold.builtin.describing import manifest, schema, whole
from fanfold.builtin.program import ChunkFolder, folder, partitioner_params, run
from fanfold.builtin.sources import shown, sources_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fanfold.builtin.sources import FileSource

DEFAULT_SECONDS = 10
MANIFEST = manifest("split-video", "partitioner", "Splits videos at key frames into segments of about equal length.")
SCHEMA = schema(
    {
        "seconds": whole(
            1,
            "Seconds after which a segment ends, at the next key frame; the last one may be shorter.",
            DEFAULT_SECONDS,
        ),
    }
)


def main() -> None:
    """Runs as a program."""
    run(_partition)


def _partition() -> None:
    seconds = partitioner_params(SCHEMA).whole("seconds") or DEFAULT_SECONDS
    sources = sources_in(folder("SOURCE_DIR"))
    where = folder("CHUNKS_DIR")
    with ChunkFolder(where) as chunks:
        for source in sources:
            if source.size_bytes:
                _split(source, seconds, where, chunks)


def _split(source: FileSource, seconds: int, where: str, chunks: ChunkFolder) -> None:
    from fanfold.builtin import video

    video.streams(source.name, source.path)
    video.duration_us(source.name, source.path)
    command = [
        *("ffmpeg", "-nostdin", "-xerror", *video.CLOSED, video.FORMATS, "-i", f"file:{source.path}"),
        *("-map", "0:V:0", "-map", "0:a?", "-c", "copy", "-map_chapters", "-1", "-fflags", "+bitexact"),
        *("-f", "segment", "-segment_time", str(seconds), "-reset_timestamps", "1", "-segment_format", "matroska"),
        *("-segment_format_options", "fflags=+bitexact", "-segment_start_number", str(chunks.count)),
        *("-segment_list", "pipe:1", "-segment_list_type", "csv", "data_%d.bin"),
    ]
    for line in video.lines(source.name, command, where):
        _, start, end = line.strip().rsplit(",", 2)
        chunks.add(f"{shown(source.name)} seconds {float(start):.2f}-{float(end):.2f}")


if __name__ == "__main__":
    main()
