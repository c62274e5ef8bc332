"""Assembler `concat-video`: video results one after the other in one video, nothing encoded anew."""

from __future__ import annotations

import os

from fanfold.builtin.describing import manifest, output_file, schema
from fanfold.builtin.planning import InputRefused
from fanfold.builtin.program import assembler_params, run
from fanfold.builtin.results import output_path, results
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanfold.builtin.results import Result

FORMATS = {".mkv": "matroska", ".webm": "webm", ".mp4": "mp4", ".mov": "mov", ".ts": "mpegts"}
MANIFEST = manifest("concat-video", "assembler", "Puts video results one after the other into one video.")
SCHEMA = schema({"output": output_file("output.mkv")})


def main() -> None:
    """Runs as a program."""
    run(_assemble)


def _assemble() -> None:
    params = assembler_params(SCHEMA)
    found = [result for result in results() if os.stat(result.path).st_size]
    if not found:
        return
    path = output_path(params, found, "output.mkv")
    form = FORMATS.get(os.path.splitext(path)[1].lower())
    if form is None:
        raise InputRefused(
            f'the output "{shown(os.path.basename(path))}" must end in one of {", ".join(FORMATS)}: '
            'name it with the param "output"'
        )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        _list(found, folder)
        _join(folder, form, path)


def _list(found: Sequence[Result], folder: str) -> None:
    """Writes the list that ffmpeg goes by: a link to each result, whatever its name, and how long its frames last."""
    from fanfold.builtin import video

    first = video.streams(found[0].title, found[0].path)
    with open(os.path.join(folder, "list"), "x", encoding="ascii") as file:
        for number, result in enumerate(found):
            told = video.difference(video.streams(result.title, result.path), first)
            if told:
                raise InputRefused(f"{result.title} cannot follow {found[0].title}: {told}")
            os.symlink(os.path.abspath(result.path), os.path.join(folder, str(number)))
            file.write(f"file {number}\nduration {video.duration_us(result.title, result.path)}us\n")


def _join(folder: str, form: str, path: str) -> None:
    from fanfold.builtin import video

    command = [
        *("ffmpeg", "-nostdin", "-y", *video.CLOSED, f"{video.FORMATS},concat"),
        *("-f", "concat", "-safe", "0", "-i", f"file:{os.path.join(folder, 'list')}"),
        *("-map", "0:V:0", "-map", "0:a?", "-c", "copy", "-fflags", "+bitexact"),
        *(("-movflags", "+faststart") if form in {"mp4", "mov"} else ()),
        *("-f", form, f"file:{path}"),
    ]
    for _ in video.lines("the results together", command, folder):
        pass


if __name__ == "__main__":
    main()
