"""Small data of a person's own: files, and what a server would agree on for one client."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.datasets import load
from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.own_data import OwnData, read
from federation.schema.agreement import agree
from federation.schema.columns import AgreedSchema

DEFAULT = Options(target="y")
SHARING = Sharing(statistics=True, min_rows=2)


def read_text(folder: Path, text: str | bytes, options: Options = DEFAULT) -> OwnData:
    """Read a text as a table in a file."""
    file = folder / "table.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(file, options, SHARING)


def agreed(*clients: OwnData) -> AgreedSchema:
    """Return what the clients agree on; all of them fit."""
    found = agree({number: client.schema for number, client in enumerate(clients)})
    assert found.schema is not None and not found.misfits, found
    return found.schema


def write_digits(folder: Path, number: int) -> list[tuple[int, NDArray[np.float32]]]:
    """Write the first of scikit-learn's digits as PNG files, a folder a class; return labels and images of 0 to 1."""
    from PIL import Image

    digits = load("digits").train
    written = []
    for place in range(number):
        label, pixels = int(digits.labels[place]), (digits.images[place] * 15).astype(np.uint8)
        file = folder / str(label) / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(file)
        written.append((label, pixels.astype(np.float32) / np.float32(255)))
    return written
