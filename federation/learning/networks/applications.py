"""The Keras applications by name: the images of a run become photos of the size and with the pixels that each takes.

Layers of the network do that, so the data stay small in memory, and a saved model takes the images as they are.
"""

from typing import Any

from federation.learning.networks.images import NetworkUnfit, in_colours
from federation.run.networks import APPLICATIONS, NetworkSettings, Pixels


def application(name: str, keras: Any, images: Any, settings: NetworkSettings) -> Any:
    """Return the features (n, features) of an application over images in 0..1, without its own last layer."""
    known, side = APPLICATIONS[name], settings.image_size or APPLICATIONS[name].side
    if side < known.least:
        raise NetworkUnfit(f"{name} takes images of at least {known.least} pixels, the run's image size is {side}")
    photos = in_colours(keras, images)
    if tuple(photos.shape[1:3]) != (side, side):
        photos = keras.layers.Resizing(side, side, name="resized")(photos)
    photos = _scaled(keras, photos, known.pixels)
    make = getattr(keras.applications, name)
    model = make(include_top=False, weights=None, pooling="avg", input_tensor=photos, input_shape=(side, side, 3))
    return model.output


def _scaled(keras: Any, photos: Any, pixels: Pixels) -> Any:
    """Return pixels as ``preprocess_input`` of the application returns them, from pixels in 0..1."""
    layers = keras.layers
    match pixels:
        case "signed":
            return layers.Rescaling(2.0, -1.0, name="pixels")(photos)
        case "caffe":
            blue_first = keras.ops.flip(photos, axis=-1)
            return layers.Rescaling(255.0, [-103.939, -116.779, -123.68], name="pixels")(blue_first)
        case "torch":
            means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
            offsets = [-mean / deviation for mean, deviation in zip(means, deviations, strict=True)]
            return layers.Rescaling([1 / one for one in deviations], offsets, name="pixels")(photos)
        case "bytes":
            return layers.Rescaling(255.0, name="pixels")(photos)
