"""tile-image and mosaic-image: the same pixels in every mode; hostile pictures in one sentence."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanfold.builtin.tiles import Tile, label_of, tile_of
from tests.unit.builtin.running import Ran, assemble, fresh, partition

pytestmark = pytest.mark.needs(module="PIL")
Image = pytest.importorskip("PIL.Image")

MODES = {
    **dict.fromkeys(("1", "L", "LA", "I;16", "P", "RGB", "RGBA"), "PNG"),
    **dict.fromkeys(("CMYK", "F", "I", "LAB"), "TIFF"),
}
BYTES = {"1": 0, "LA": 2, "I;16": 2, "RGB": 3, "LAB": 3, "L": 1, "P": 1}


def picture(mode: str, width: int, height: int) -> Any:
    """A picture whose pixels all differ as far as its mode allows."""
    if mode == "1":
        return picture("L", width, height).convert("1")
    if mode == "F":
        return picture("I", width, height).convert("F")
    count = width * height * BYTES.get(mode, 4)
    image = Image.frombytes(mode, (width, height), bytes(place * 7 % 251 for place in range(count)))
    if mode == "P":
        image.putpalette([place * 5 % 256 for place in range(768)])
    return image


def encoded(image: Any, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def decoded(data: bytes) -> Any:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def mosaic(tmp_path: Path, split: Ran, **params: object) -> Ran:
    """The tiles put together again; the label of each is that of its chunk."""
    return assemble_labelled(tmp_path, [*zip(split.labels, split.chunks, strict=True)], **params)


def assemble_labelled(tmp_path: Path, tiles: list[tuple[str, bytes]], **params: object) -> Ran:
    results = [(chunk, "tile", content) for chunk, (_, content) in enumerate(tiles)]
    return assemble(tmp_path, "mosaic-image", params, results, labels=[label for label, _ in tiles])


@pytest.mark.parametrize("mode", MODES)
def test_tiled_and_put_together_is_the_same_picture(tmp_path: Path, mode: str) -> None:
    image = picture(mode, 37, 23)
    name = f"deep/photo.{MODES[mode].lower()}"
    split = partition(tmp_path, "tile-image", {"width": 10, "height": 8}, {name: encoded(image, MODES[mode])})
    assert (split.status, len(split.chunks)) == (0, 12), split.stderr
    ran = mosaic(tmp_path, split)
    assert list(ran.files) == [name], ran.stderr
    expected = image.convert("RGB") if mode == "P" else image
    assert decoded(ran.files[name]).mode == expected.mode
    assert decoded(ran.files[name]).tobytes() == expected.tobytes()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(width=st.integers(1, 40), height=st.integers(1, 40), side=st.tuples(st.integers(7, 50), st.integers(7, 50)))
def test_any_size_and_any_tile_will_do(tmp_path: Path, width: int, height: int, side: tuple[int, int]) -> None:
    image = picture("RGBA", width, height)
    params = {"width": side[0], "height": side[1]}
    split = partition(tmp_path, "tile-image", params, {"a.png": encoded(image, "PNG")})
    assert len(split.chunks) == -(-width // side[0]) * -(-height // side[1])
    assert decoded(mosaic(tmp_path, split).files["a.png"]).tobytes() == image.tobytes()


def test_transparent_palettes_and_colour_profiles_are_kept(tmp_path: Path) -> None:
    data = encoded(picture("P", 9, 9), "PNG", transparency=3, icc_profile=b"a profile")
    split = partition(tmp_path, "tile-image", {"width": 5}, {"a.png": data})
    found = decoded(mosaic(tmp_path, split).files["a.png"])
    assert found.tobytes() == decoded(data).convert("RGBA").tobytes()
    assert found.info["icc_profile"] == b"a profile"


def test_several_pictures_stay_apart_and_lossy_ones_get_a_lossless_name(tmp_path: Path) -> None:
    files = {"a.jpg": encoded(picture("RGB", 9, 9), "JPEG"), "b.png": encoded(picture("L", 4, 4), "PNG"), "c": b""}
    split = partition(tmp_path, "tile-image", {"width": 5}, files)
    assert split.labels == [
        "a.jpg column 1 of 2, row 1 of 1",
        "a.jpg column 2 of 2, row 1 of 1",
        "b.png column 1 of 1, row 1 of 1",
    ]
    ran = mosaic(tmp_path, split)
    assert set(ran.files) == {"a.jpg.png", "b.png"}
    assert decoded(ran.files["a.jpg.png"]).tobytes() == decoded(files["a.jpg"]).tobytes()
    assert mosaic(tmp_path, split, output="x.png").stderr.startswith('param "output" names one file, but there are 2')


def test_tiles_that_an_app_made_larger_still_fit(tmp_path: Path) -> None:
    split = partition(tmp_path, "tile-image", {"width": 5}, {"a.png": encoded(picture("L", 9, 9), "PNG")})
    larger = [encoded(tile.resize((tile.width * 2, tile.height * 2), 0), "PNG") for tile in map(decoded, split.chunks)]
    ran = assemble_labelled(tmp_path, [*zip(split.labels, larger, strict=True)], output="twice.webp")
    assert decoded(ran.files["twice.webp"]).size == (18, 18), ran.stderr


def test_pictures_without_places_stand_on_one_sheet(tmp_path: Path) -> None:
    sizes = [(4, 4), (2, 6), (3, 3), (1, 1), (5, 5)]
    tiles = [("", encoded(Image.new("RGB", size, (255, 0, place)), "PNG")) for place, size in enumerate(sizes)]
    sheet = decoded(assemble_labelled(tmp_path, tiles).files["mosaic.png"])
    assert sheet.size == (4 + 5 + 3, 6 + 5)
    assert sheet.getpixel((4, 0)) == (255, 0, 1)
    in_a_row = decoded(assemble_labelled(tmp_path, tiles, columns=5).files["mosaic.png"])
    assert in_a_row.size == (15, 6)


def test_no_results_give_no_picture(tmp_path: Path) -> None:
    assert assemble_labelled(tmp_path, []) == Ran(0, "")
    assert assemble_labelled(tmp_path, [("", b"")]) == Ran(0, "")


def grid(*labels: str, size: tuple[int, int] = (2, 2)) -> list[tuple[str, bytes]]:
    return [(label, encoded(Image.new("L", size), "PNG")) for label in labels]


LEFT, RIGHT = "a.png column 1 of 2, row 1 of 1", "a.png column 2 of 2, row 1 of 1"


@pytest.mark.parametrize(
    ("tiles", "told"),
    [
        (grid(LEFT), 'of "a.png" the tile in column 2, row 1 is missing'),
        (grid(LEFT, LEFT, RIGHT), "is one picture too many: a tile must give one result"),
        (grid(LEFT, "a.png column 2 of 3, row 1 of 1"), "is one picture too many"),
        (grid(LEFT) + grid(RIGHT, size=(2, 3)), "has 2x2 pixels; beside the other tiles it must have 2x3"),
        (grid("../a.png column 1 of 1, row 1 of 1"), '"../a.png" is no name of a picture inside the output'),
        (grid("/a.png column 1 of 1, row 1 of 1"), '"/a.png" is no name of a picture inside the output'),
        (grid("a column 1 of 999999999, row 1 of 999999999"), "the tile in column 2, row 1 is missing"),
    ],
)
def test_tiles_that_make_no_picture_are_refused(tmp_path: Path, tiles: list[tuple[str, bytes]], told: str) -> None:
    ran = assemble_labelled(tmp_path, tiles)
    assert (ran.status, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert told in ran.stderr
    assert not ran.files


@pytest.mark.parametrize(("output", "told"), [("a.exe", "must end in one of"), ("a.jpg", "JPEG cannot hold this")])
def test_an_output_that_cannot_hold_the_picture_is_refused(tmp_path: Path, output: str, told: str) -> None:
    ran = assemble_labelled(tmp_path, [("", encoded(Image.new("RGBA", (2, 2)), "PNG"))], output=output)
    assert ran.status == 2
    assert told in ran.stderr


def png_claiming(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header names a size, with so much of data behind it."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", body) + part(b"IEND", b"")


GOOD = encoded(picture("RGB", 64, 64), "PNG")
BROKEN = {
    "text": b"this is no picture",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch /tmp/x) (w) file\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "cut png": GOOD[: len(GOOD) // 2],
    "cut jpeg": encoded(picture("RGB", 64, 64), "JPEG")[:700],
    "cut tiff": encoded(picture("CMYK", 64, 64), "TIFF")[:300],
    "cut webp": encoded(picture("RGB", 64, 64), "WEBP")[:200],
    "cut bmp": encoded(picture("RGB", 64, 64), "BMP")[:200],
    "no pixels": png_claiming(0, 0),
    "empty body": png_claiming(10, 10),
    "body of noise": png_claiming(10, 10, b"\xff" * 50),
    "header only": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_picture_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    ran = partition(tmp_path, "tile-image", {}, {"evil\n.png": content})
    assert (ran.status, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert ran.stderr.startswith('"evil\ufffd.png" is no picture that can be read: ')
    joined = assemble_labelled(tmp_path, [("", GOOD), ("", content)])
    assert (joined.status, joined.stderr.count("\n")) == (2, 1), joined.stderr
    assert "of chunk 1" in joined.stderr


@pytest.mark.parametrize(
    "content",
    [
        png_claiming(2**31 - 1, 2**31 - 1),
        png_claiming(50_000, 50_000, zlib.compress(bytes(50_000_000))),
        b"P6 99999999 99999999 255\n",
        b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08",
    ],
    ids=["largest png", "png bomb", "huge ppm", "huge gif"],
)
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, content: bytes) -> None:
    ran = partition(tmp_path, "tile-image", {}, {"bomb": content})
    assert ran.status == 2
    assert 'more than the param "max_pixels" allows: 67108864' in ran.stderr


def test_a_sheet_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    ran = assemble_labelled(tmp_path, grid("", "", "", size=(10, 10)), columns=3, max_pixels=299)
    assert ran.stderr == '"mosaic" has 30x10 pixels, more than the param "max_pixels" allows: 299\n'


def test_an_animation_is_refused(tmp_path: Path) -> None:
    frames = [picture("L", 4, 4), picture("L", 4, 4).rotate(90)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert partition(tmp_path, "tile-image", {}, {"a.gif": data}).stderr == '"a.gif" has 2 frames, not one\n'


@pytest.mark.parametrize("name", ["a", "a column 1 of 2, row 1 of 1", "x/ä.png", "two\nlines"])
def test_a_label_tells_the_place_of_its_tile(name: str) -> None:
    found = tile_of(label_of(Tile(name, 2, 3, 1, 4)))
    assert found == Tile(name.replace("\n", "\ufffd"), 2, 3, 1, 4)


@pytest.mark.parametrize("label", ["", "a.png", "a column 0 of 1, row 1 of 1", "a column 2 of 1, row 1 of 1"])
def test_another_label_tells_of_no_tile(label: str) -> None:
    assert tile_of(label) is None


def test_an_empty_file_gives_no_tile(tmp_path: Path) -> None:
    fresh(tmp_path / "source")
    assert partition(tmp_path, "tile-image", {}, {"empty": b""}).chunks == []
