"""Reading and writing pictures; the one place of the built-in blocks that knows Pillow."""

from __future__ import annotations

import os
import struct
import warnings
from contextlib import contextmanager

from PIL import Image

from fanfold.builtin.planning import InputRefused
from fanfold.builtin.sources import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What is read: formats that decode by themselves. Others start programs (EPS), follow links or hold programs.
READ = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
PNG_MODES = frozenset({"1", "L", "LA", "I;16", "RGB", "RGBA"})
TIFF_MODES = frozenset({"CMYK", "F", "I", "LAB"})
SUFFIXES = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, struct.error)
SHOWN_CAUSE = 200
Picture = Image.Image

Image.MAX_IMAGE_PIXELS = None  # `max_pixels` is checked before anything is decoded, and may be larger


@contextmanager
def refusing(title: str) -> Iterator[None]:
    """Turns what Pillow says about a broken picture into a refusal that names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata, which is not kept
            yield
    except InputRefused:
        raise
    except BROKEN as err:
        if isinstance(err, OSError) and err.errno:
            raise  # the machine's, not the file's
        cause = shown(str(err).partition("\n")[0].replace(title, ""))[:SHOWN_CAUSE]
        raise InputRefused(f'"{shown(title)}" is no picture that can be read: {cause or type(err).__name__}') from err


def head(title: str, path: str, max_pixels: int) -> tuple[int, int, str]:
    """Width, height and plain mode of a picture, without decoding it."""
    with refusing(title), open(path, "rb") as file, Image.open(file, formats=READ) as image:
        _check(title, image, max_pixels)
        return image.width, image.height, plain_mode(image)


def decoded(title: str, path: str, max_pixels: int) -> tuple[Picture, bytes | None]:
    """A picture in its plain mode, and its colour profile."""
    with refusing(title), open(path, "rb") as file, Image.open(file, formats=READ) as image:
        _check(title, image, max_pixels)
        image.load()
        mode = plain_mode(image)
        return (image if image.mode == mode else image.convert(mode)), image.info.get("icc_profile")


def _check(title: str, image: Picture, max_pixels: int) -> None:
    refuse_size(title, image.width, image.height, max_pixels)
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise InputRefused(f'"{shown(title)}" has {frames} frames, not one')


def refuse_size(title: str, width: int, height: int, max_pixels: int) -> None:
    """Refuses what would be too large in memory."""
    if width * height > max_pixels:
        raise InputRefused(
            f'"{shown(title)}" has {width}x{height} pixels, more than the param "max_pixels" allows: {max_pixels}'
        )


def plain_mode(image: Picture) -> str:
    """The mode that keeps a picture as it is and can be written without loss: palettes become colours."""
    if image.mode.startswith("I;16"):
        return "I;16"
    if image.mode in {"PA", "RGBa", "La"} or "transparency" in image.info:
        return "RGBA"
    return image.mode if image.mode in PNG_MODES | TIFF_MODES else "RGB"


def blank(mode: str, width: int, height: int) -> Picture:
    """An empty picture: clear, or black where its mode knows nothing clear."""
    return Image.new(mode, (width, height))


def lossless(mode: str) -> str:
    """The suffix of the file format that keeps a mode as it is."""
    return ".png" if mode in PNG_MODES else ".tiff"


def save(image: Picture, descriptor: int, suffix: str, *, profile: bytes | None = None) -> None:
    """Writes a picture to a descriptor, which stays open; refuses a mode that its format does not have."""
    form = SUFFIXES[suffix]
    options = {"lossless": True} if form == "WEBP" else {"compression": "tiff_deflate"} if form == "TIFF" else {}
    with open(descriptor, "wb", closefd=False) as file:
        try:
            image.save(file, form, icc_profile=profile, **options)
        except (ValueError, OSError) as err:
            if isinstance(err, OSError) and err.errno:
                raise
            raise InputRefused(
                f"{form} cannot hold this picture ({image.mode}, {image.width}x{image.height}): {err}; "
                f'use an output that ends in "{lossless(image.mode)}"'
            ) from err


def suffix_of(name: str) -> str:
    """The suffix that says how to write a picture; refuses one that says nothing."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in SUFFIXES:
        raise InputRefused(f'param "output" must end in one of {", ".join(SUFFIXES)}, found "{shown(name)}"')
    return suffix
