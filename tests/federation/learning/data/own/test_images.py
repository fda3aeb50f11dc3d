"""A folder of photos: what is read of it, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.own_data import OwnData, read
from federation.learning.data.own.refusals import BadData
from tests.support.own_data import agreed, write_digits


def read_folder(folder: Path, side: int = 8) -> OwnData:
    return read(folder, Options(image_size=side), Sharing())


def save(folder: Path, name: str, mode: str = "RGB", side: int = 20, color: Any = 0) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (side, side // 2), color).save(file)
    return file


def test_digits_as_photos_are_the_digits(tmp_path: Path) -> None:
    digits = write_digits(tmp_path / "digits", 60)
    data = read_folder(tmp_path / "digits")
    schema = data.schema
    assert (schema.form, schema.shape, schema.rows, len(schema.classes)) == ("images", [8, 8, 1], 60, 10)
    part = data.part(agreed(data), seed=0)
    images = np.concatenate([part.train.images, part.test.images])
    labels = np.concatenate([part.train.labels, part.test.labels])
    assert images.dtype == np.float32 and labels.dtype == np.int32
    found = sorted((int(label), image.tobytes()) for label, image in zip(labels, images, strict=True))
    assert found == sorted((label, image.tobytes()) for label, image in digits)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_one_image_with_colours_gives_all_three_channels(tmp_path: Path, mode: str) -> None:
    save(tmp_path, "cat/grey.png", "L", color=51)
    save(tmp_path, f"dog/colour.{'jpg' if mode == 'CMYK' else 'png'}", mode)
    assert read_folder(tmp_path).schema.shape == [8, 8, 3]


def test_clients_with_grey_images_and_with_colours_train_on_the_same_shape(tmp_path: Path) -> None:
    for name in ("1", "2"):
        save(tmp_path, f"grey/cat/{name}.png", "L", color=51)
        save(tmp_path, f"colours/dog/{name}.png", color=(255, 0, 0))
    grey, colours = (read_folder(tmp_path / name) for name in ("grey", "colours"))
    schema = agreed(grey, colours)
    assert schema.shape == [8, 8, 3]
    assert np.unique(grey.part(schema, seed=0).train.images) == pytest.approx([0.2])
    as_grey = colours.part(schema.model_copy(update={"shape": [8, 8, 1]}), seed=0).train.images
    assert as_grey.shape == (1, 8, 8, 1) and np.unique(as_grey) == pytest.approx([0.299])


def test_images_of_16_bits_and_transparent_ones_look_as_they_should(tmp_path: Path) -> None:
    save(tmp_path, "a/deep.png", "I;16", color=51 * 257)
    save(tmp_path, "b/clear.png", "LA", color=(0, 0))
    data = read_folder(tmp_path)
    part = data.part(agreed(data), seed=0)
    values = sorted(float(image.mean()) for samples in (part.train, part.test) for image in samples.images)
    assert values == pytest.approx([0.2, 1.0])


def test_damaged_images_are_counted_and_named_to_their_person_only(tmp_path: Path) -> None:
    save(tmp_path, "cat/whole.jpg", side=200)
    cut = save(tmp_path, "cat/miller.jpg", side=200)
    cut.write_bytes(cut.read_bytes()[:-300])
    (tmp_path / "cat" / "text.png").write_text("no image")
    with pytest.raises(BadData, match="2 images are damaged or have more than") as refusal:
        read_folder(tmp_path)
    assert "miller" not in str(refusal.value)
    assert "cat/miller.jpg, cat/text.png" in refusal.value.whole


def test_a_file_that_claims_to_be_huge_is_not_decoded(tmp_path: Path) -> None:
    save(tmp_path, "cat/bomb.png", "1", side=20_000)
    with pytest.raises(BadData, match="1 images are damaged or have more than 100,000,000 pixels"):
        read_folder(tmp_path)


def test_folders_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no images: --data needs a folder"):
        read_folder(tmp_path)
    save(tmp_path, "train/cat/1.png")
    save(tmp_path, "test/cat/1.png")
    with pytest.raises(BadData, match="the folders test, train are no classes: give one of them to --data"):
        read_folder(tmp_path)
    save(tmp_path, "loose.png")
    with pytest.raises(BadData, match="an image is in no class's folder"):
        read_folder(tmp_path)


def test_other_files_are_not_read(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png")
    save(tmp_path, "dog/deeper/2.JPEG")
    for name in ("cat/._1.png", "cat/notes.txt", ".DS_Store", "empty/notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("no image")
    assert read_folder(tmp_path).schema.classes == ["cat", "dog"]


def test_too_many_images_for_the_memory_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "cat/1.png")
    save(tmp_path, "cat/2.png")
    with pytest.raises(BadData, match=r"2 images of 20000 × 20000 need too much memory: choose a smaller --image-size"):
        read_folder(tmp_path, side=20_000)
