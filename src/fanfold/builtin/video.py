"""Reading videos with ffmpeg and ffprobe, programs of the system; the one place of the built-in blocks that knows them.

Only files are opened, and only by formats that hold their data themselves: a playlist cannot lead to other files or
into the network.
"""

from __future__ import annotations

import json
import os

from fanfold.builtin.planning import InputRefused
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

FORMATS = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,mpegts,mpeg,flv,ogg,asf,mxf"
CLOSED = ("-v", "error", "-protocol_whitelist", "file", "-format_whitelist")
LOOK = "stream=codec_type,codec_name,width,height,pix_fmt,sample_rate,channels,extradata_hash"
COMPARED = {
    "video": ("codec_name", "width", "height", "pix_fmt", "extradata_hash"),
    "audio": ("codec_name", "sample_rate", "channels"),
}
CUT_OFF = ("ended prematurely", "partial file")  # what ffmpeg 5.1 says of a file without its end, yet exits with 0
SHOWN_CAUSE = 300
TAIL_BYTES = 4096


def program(name: str) -> str:
    """The path of `ffmpeg` or `ffprobe`; refuses where it is not installed."""
    import shutil

    path = shutil.which(name)
    if path is None:
        raise InputRefused(f"the program '{name}' is missing: install ffmpeg (Debian: apt install ffmpeg)")
    return path


def lines(title: str, command: Sequence[str], folder: str) -> Iterator[str]:
    """What ffmpeg or ffprobe prints, line by line; what it complains about becomes a refusal that names the video."""
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            [program(command[0]), *command[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            errors="replace",
        ) as running:
            assert running.stdout is not None
            yield from running.stdout
        said.seek(max(0, os.fstat(said.fileno()).st_size - TAIL_BYTES))
        told = said.read().decode("utf-8", "replace").strip()
    if running.returncode or any(words in told for words in CUT_OFF):
        cause = told or f"{command[0]} ended with {running.returncode}"
        raise InputRefused(
            f'"{shown(title)}" is no video that can be read: {shown(" ".join(cause.split()))[-SHOWN_CAUSE:]}'
        )


def streams(title: str, path: str) -> list[dict[str, Any]]:
    """The first video stream that is no cover picture, and all audio streams; refuses a file without video."""
    look = f"{LOOK}:stream_disposition=attached_pic"
    command = ["ffprobe", *CLOSED, FORMATS, "-show_data_hash", "md5", "-show_entries", look, "-of", "json"]
    told = json.loads("".join(lines(title, [*command, f"file:{path}"], "/")))
    found = told.get("streams", [])
    moving = [one for one in found if one.get("codec_type") == "video" and not one["disposition"]["attached_pic"]]
    if not moving:
        raise InputRefused(f'"{shown(title)}" holds no video')
    return [moving[0], *(one for one in found if one.get("codec_type") == "audio")]


def duration_us(title: str, path: str) -> int:
    """From the first frame to the end of the last one, in microseconds; refuses a video without frames."""
    command = ["ffprobe", *CLOSED, FORMATS, "-select_streams", "V:0", "-show_entries", "packet=pts_time,duration_time"]
    start: float | None = None
    end = 0.0
    for line in lines(title, [*command, "-of", "csv=p=0", f"file:{path}"], "/"):
        at, _, lasts = line.strip().rstrip(",").partition(",")
        if not _is_number(at):
            continue
        begin = float(at)
        start = begin if start is None else min(start, begin)
        end = max(end, begin + (float(lasts) if _is_number(lasts) else 0.0))
    if start is None:
        raise InputRefused(f'"{shown(title)}" holds no video frames')
    return round((end - start) * 1_000_000)


def described(stream: dict[str, Any]) -> str:
    """What a message calls a stream."""
    kind = str(stream["codec_type"])
    if kind == "video":
        return shown(f"video {stream.get('codec_name')} {stream.get('width')}x{stream.get('height')}")
    return shown(f"audio {stream.get('codec_name')} {stream.get('sample_rate')} Hz {stream.get('channels')} channels")


def difference(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> str:
    """How the streams of two videos differ, in words; "" where one may follow the other without a new encoding."""
    if len(found) != len(expected):
        return f"found {_listed(found)}, expected {_listed(expected)}"
    for one, other in zip(found, expected, strict=True):
        keys = COMPARED[str(other["codec_type"])]
        differing = [key for key in keys if one.get(key) != other.get(key)]
        if differing == ["extradata_hash"]:
            return "its video was encoded with other settings"
        if differing:
            return f"found {_listed(found)}, expected {_listed(expected)} (differing: {', '.join(differing)})"
    return ""


def _listed(found: Sequence[dict[str, Any]]) -> str:
    return " and ".join(described(stream) for stream in found)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdigit()
