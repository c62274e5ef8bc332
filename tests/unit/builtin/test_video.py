"""split-video and concat-video: the same frames and sound; hostile videos in one sentence."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.builtin.running import Ran, assemble, fill, fresh, start
from tests.unit.builtin.running import partition as partition_bare

pytestmark = pytest.mark.needs("ffmpeg", "ffprobe")

SOUND = ("-f", "lavfi", "-i", "sine=frequency=440", "-c:a", "aac")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2")
KINDS = {
    "mp4": (*SOUND, *H264),
    "silent.mkv": (*H264, "-an"),
    "webm": ("-f", "lavfi", "-i", "sine", "-c:a", "libopus", "-c:v", "libvpx", "-g", "20", "-cpu-used", "8"),
    "avi": ("-c:v", "mpeg4", "-g", "15"),
    "mov": (*SOUND, *H264, "-pix_fmt", "yuv444p"),
    "ts": (*SOUND, *H264),
}


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are started with PATH, as a runner does."""
    monkeypatch.setattr("tests.unit.builtin.running.ALWAYS", {"PATH": os.environ["PATH"]})


def film(where: Path, name: str, *options: str, size: str = "64x48", seconds: int = 5) -> bytes:
    """A moving test picture."""
    target = where / f"made.{name}"
    picture = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25")
    line = ["ffmpeg", "-v", "error", "-y", *picture, *options, "-t", str(seconds), "-threads", "1", str(target)]
    subprocess.run(line, check=True)
    return target.read_bytes()


def frames(where: Path, data: bytes, *options: str) -> list[str]:
    """The digests of all frames, in order."""
    (where / "looked-at").write_bytes(data)
    line = ["ffmpeg", "-v", "error", "-i", str(where / "looked-at"), *options, "-f", "framemd5", "-"]
    told = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    return [row.rsplit(",", 1)[1].strip() for row in told.splitlines() if not row.startswith("#")]


def length_s(where: Path, data: bytes) -> float:
    (where / "looked-at").write_bytes(data)
    line = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(where / "looked-at")]
    return float(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def partition(tmp_path: Path, data: bytes, name: str = "film", **params: object) -> Ran:
    return partition_bare(tmp_path, "split-video", params, {name: data})


def joined(tmp_path: Path, *contents: bytes, name: str = "film.mkv", **params: object) -> Ran:
    return assemble(tmp_path, "concat-video", params, [(chunk, name, data) for chunk, data in enumerate(contents)])


@pytest.mark.parametrize("kind", KINDS)
def test_split_and_joined_has_the_same_frames_and_sound(tmp_path: Path, kind: str) -> None:
    data = film(tmp_path, kind, *KINDS[kind])
    split = partition(tmp_path, data, f"film.{kind}", seconds=2)
    assert (split.status, len(split.chunks)) == (0, 3), split.stderr
    ran = joined(tmp_path, *split.chunks)
    assert ran.status == 0, ran.stderr
    after = ran.files["film.mkv"]
    assert frames(tmp_path, after, "-map", "0:v") == frames(tmp_path, data, "-map", "0:v")
    assert sum(len(sounds(tmp_path, chunk)) for chunk in split.chunks) == len(sounds(tmp_path, data))
    assert sounds(tmp_path, after) == sounds(tmp_path, data) or kind == "ts"  # whose packets have headers of their own
    assert length_s(tmp_path, after) == pytest.approx(length_s(tmp_path, data), abs=0.15)


def sounds(where: Path, data: bytes) -> list[str]:
    """The digests of all packets of sound, as they are stored."""
    (where / "looked-at").write_bytes(data)
    line = ["ffprobe", "-v", "error", "-select_streams", "a", "-show_packets", "-show_data_hash", "md5"]
    asked = [*line, "-show_entries", "packet=data_hash", "-of", "json", str(where / "looked-at")]
    told = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    return [packet["data_hash"] for packet in told["packets"]]


def test_a_length_does_not_grow_with_the_number_of_segments(tmp_path: Path) -> None:
    data = film(tmp_path, "mp4", *KINDS["mp4"], seconds=30)
    split = partition(tmp_path, data, seconds=1)
    assert len(split.chunks) >= 25
    [after] = joined(tmp_path, *split.chunks).files.values()
    assert length_s(tmp_path, after) == pytest.approx(length_s(tmp_path, data), abs=0.15)


def test_the_same_video_gives_the_same_bytes_and_labels_tell_the_time(tmp_path: Path) -> None:
    files = {"a.mp4": film(tmp_path, "mp4", *KINDS["mp4"]), "b": b"", "c.avi": film(tmp_path, "avi", *KINDS["avi"])}
    first, second = (partition_bare(tmp_path, "split-video", {"seconds": 3}, files) for _ in range(2))
    assert first == second
    assert [label.partition(" seconds ")[0] for label in first.labels] == ["a.mp4", "a.mp4", "c.avi", "c.avi"]
    assert first.labels[0].startswith("a.mp4 seconds 0.00-3.0")
    one, two = (joined(tmp_path, *first.chunks[:2], name="film.mp4") for _ in range(2))
    assert one == two


def test_no_results_give_no_video(tmp_path: Path) -> None:
    assert joined(tmp_path) == Ran(0, "")
    assert joined(tmp_path, b"", b"") == Ran(0, "")


def test_an_output_of_no_known_format_is_refused(tmp_path: Path) -> None:
    ran = joined(tmp_path, film(tmp_path, "mp4", *H264), name="data.bin")
    assert ran.stderr.startswith('the output "data.bin" must end in one of .mkv, .webm, .mp4, .mov, .ts')
    assert joined(tmp_path, film(tmp_path, "mp4", *H264), name="data.bin", output="a.mp4").status == 0


def test_a_format_that_cannot_hold_the_streams_is_refused(tmp_path: Path) -> None:
    ran = joined(tmp_path, film(tmp_path, "mp4", *H264), output="a.webm")
    assert (ran.status, ran.stderr.count("\n")) == (2, 1)
    assert "Only VP8 or VP9" in ran.stderr


@pytest.mark.parametrize(
    ("options", "size", "told"),
    [
        (H264, "32x32", "found video h264 32x32, expected video h264 64x48"),
        (("-c:v", "mpeg4"), "64x48", "found video mpeg4 64x48, expected video h264 64x48"),
        ((*H264, "-pix_fmt", "yuv444p"), "64x48", "(differing: pix_fmt, extradata_hash)"),
        ((*SOUND, *H264), "64x48", "expected video h264 64x48"),
        ((*H264, "-bf", "0", "-refs", "5"), "64x48", "its video was encoded with other settings"),
    ],
)
def test_a_result_of_another_kind_is_refused_with_its_chunk(
    tmp_path: Path, options: tuple[str, ...], size: str, told: str
) -> None:
    ran = joined(tmp_path, film(tmp_path, "mkv", *H264), film(tmp_path, "mkv", *options, size=size))
    assert (ran.status, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert ran.stderr.startswith("film.mkv of chunk 1 (part 1) cannot follow film.mkv of chunk 0 (part 0): ")
    assert told in ran.stderr


def broken(tmp_path: Path) -> dict[str, bytes]:
    """Videos that are none, by what is wrong with them."""
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(film(tmp_path, "mp4", *H264))
    mp4, mkv = secret.read_bytes(), film(tmp_path, "mkv", *H264)
    early = film(tmp_path, "mp4", *H264, "-movflags", "faststart")
    return {
        "text": b"this is no video",
        "cut mp4": mp4[: len(mp4) // 2],
        "cut mp4 with its index first": early[: len(early) // 2],
        "cut mkv": mkv[: len(mkv) // 2],
        "header only": mkv[:300],
        "noise": bytes(range(256)) * 40,
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode(),
        "playlist of the network": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:1/a\n#EXT-X-ENDLIST\n",
        "list": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "picture": b"P6 2 2 255\n" + bytes(12),
    }


def test_what_is_no_whole_video_is_refused_in_one_line(tmp_path: Path) -> None:
    good = film(tmp_path, "mkv", *H264)
    for what, content in broken(tmp_path).items():
        ran = partition(tmp_path, content, "evil\n.mp4")
        assert (ran.status, ran.stderr.count("\n")) == (2, 1), (what, ran.stderr)
        assert ran.stderr.startswith('"evil\ufffd.mp4" is no video that can be read: '), what
        after = joined(tmp_path, good, content)
        assert (after.status, after.stderr.count("\n")) == (2, 1), (what, after.stderr)
        assert after.stderr.startswith('"film.mkv of chunk 1 (part 1)" is no video that can be read: '), what


def test_sound_alone_and_a_video_without_frames_are_refused(tmp_path: Path) -> None:
    sound = film(tmp_path, "m4a", *SOUND, "-map", "1")
    assert partition(tmp_path, sound, "a.m4a").stderr == '"a.m4a" holds no video\n'
    nothing = film(tmp_path, "mp4", *H264, "-movflags", "empty_moov", seconds=0)
    assert partition(tmp_path, nothing, "a.mp4").stderr == '"a.mp4" holds no video frames\n'
    assert partition(tmp_path, b"", "a.mkv") == Ran(0, "")


@pytest.mark.parametrize(("role", "name"), [("partitioner", "split-video"), ("assembler", "concat-video")])
def test_without_ffmpeg_its_package_is_named(tmp_path: Path, role: str, name: str) -> None:
    fill(tmp_path / "in", {"film.mkv": b"x"})
    fresh(tmp_path / "out")
    environment = dict.fromkeys(("SOURCE_DIR", "TASK_RESULTS_DIR"), str(tmp_path / "in"))
    environment |= dict.fromkeys(("CHUNKS_DIR", "OUTPUT_DIR"), str(tmp_path / "out")) | {"PATH": str(tmp_path)}
    status, stderr = start(role, name, environment)
    assert status == 2
    assert stderr == "the program 'ffprobe' is missing: install ffmpeg (Debian: apt install ffmpeg)\n"
