"""A folder of photos: for each class a folder, JPEG and PNG, resized to squares. Pillow is imported in functions."""

import importlib.util
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.arrays import Arrays
from federation.learning.data.own.names import name_of
from federation.learning.data.own.options import Options
from federation.learning.data.own.refusals import BadData
from federation.learning.data.own.targets import target_of_names
from federation.schema.columns import AgreedSchema, Form

log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png")
SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
MAX_VALUES = 2**29
"""Of all images together; each is a byte, and in training four."""

MAX_PIXELS = 100_000_000
"""Of one file: a small file can claim to be a huge image."""

NAMED_FILES = 3
LUMINANCE = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in a grey value, as ITU-R BT.601 and Pillow have them."""


@dataclass(frozen=True, eq=False)
class Images(Arrays):
    """Images (n, side, side, 1 or 3) of bytes."""

    form: Form = "images"

    def inputs(self, rows: NDArray[np.int64], agreed: AgreedSchema) -> NDArray[np.float32]:
        """Return these images as a network takes them: 0 to 1, grey or with colours as all clients have agreed."""
        pixels = super().inputs(rows, agreed)
        channels = agreed.shape[-1]
        if channels == 1 and pixels.shape[-1] == 3:
            return (pixels @ np.array(LUMINANCE, np.float32))[..., np.newaxis]
        return np.repeat(pixels, channels, axis=-1) if channels > pixels.shape[-1] else pixels


def read_images(folder: Path, options: Options) -> Images:
    """Read the images of a folder; raises BadData."""
    if importlib.util.find_spec("PIL") is None:
        raise BadData("images need Pillow, which is not installed: pip install pillow")
    files = _files_of(folder)
    names = sorted(files)
    found = [(place, file) for place, name in enumerate(names) for file in files[name]]
    side = options.image_size
    if len(found) * side * side * 3 > MAX_VALUES:
        raise BadData(f"{len(found):,} images of {side} × {side} need too much memory: choose a smaller --image-size, "
                      "or divide them among several clients")  # fmt: skip
    target = target_of_names(
        "class", [name_of(name) for name in names], np.array([place for place, _ in found], np.int64)
    )
    return Images(target, _read([file for _, file in found], folder, side))


def _files_of(folder: Path) -> dict[str, list[Path]]:
    """Return the images by class, in the order of their names; files that begin with a dot are no images."""
    classes = {one.name: one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")}
    if outside := _images_in(folder, deep=False):
        raise BadData(
            "an image is in no class's folder: put each image into a folder named as its class", outside[0].name
        )
    if classes and classes.keys() <= SPLITS:
        raise BadData(f"the folders {', '.join(sorted(classes))} are no classes: give one of them to --data")
    files = {name: images for name, one in classes.items() if (images := _images_in(one, deep=True))}
    if not files:
        raise BadData("no images: --data needs a folder in which each class has a folder with JPEG or PNG files")
    if empty := sorted(classes.keys() - files.keys()):
        log.warning("folders without a JPEG or PNG file, which are not used: %s", ", ".join(empty))
    return files


def _images_in(folder: Path, *, deep: bool) -> list[Path]:
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(
        file for file in found
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )  # fmt: skip


def _read(files: Sequence[Path], folder: Path, side: int) -> NDArray[np.uint8]:
    """Return the images: in grey if all are, else in colours."""
    images: list[NDArray[np.uint8]] = []
    damaged = list[str]()
    for file in files:
        try:
            images.append(_read_one(file, side))
        except Exception:  # what Pillow raises for a damaged file depends on where the damage is
            damaged.append(str(file.relative_to(folder)))
    if damaged:
        more = f" and {len(damaged) - NAMED_FILES:,} more" if len(damaged) > NAMED_FILES else ""
        raise BadData(f"{len(damaged):,} images are damaged or have more than {MAX_PIXELS:,} pixels: delete or replace "
                      "them", ", ".join(damaged[:NAMED_FILES]) + more)  # fmt: skip
    channels = max(image.shape[-1] for image in images)
    pixels = np.empty((len(images), side, side, channels), np.uint8)
    for place, image in enumerate(images):
        pixels[place] = image
    kind = "grey" if channels == 1 else "in colours"
    log.info("images: %d, %s, resized to %d x %d", len(pixels), kind, side, side)
    return pixels


def _read_one(file: Path, side: int) -> NDArray[np.uint8]:
    """Return an image (side, side, 1 or 3), turned as its camera says, on white where it is transparent."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings(action="ignore"), Image.open(file, formats=("JPEG", "PNG")) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        opened.draft(None, (side, side))  # a large JPEG is decoded at a smaller scale
        image: Any = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits
            image = Image.fromarray((np.asarray(image, np.int64) >> 8).astype(np.uint8))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            opaque = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
            image = image.convert("RGB")
        image = image.convert("L" if image.mode in ("L", "1") else "RGB")
        resized = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), np.uint8)
    return resized.reshape(side, side, -1)
