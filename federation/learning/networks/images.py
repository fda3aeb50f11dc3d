"""What networks of images do with inputs: a channel for those without, three for grey ones, a border for small ones."""

from typing import Any


class NetworkUnfit(ValueError):
    """The network does not take inputs of this shape; the sentence says which it takes."""


def as_images(network: str, keras: Any, inputs: Any) -> Any:
    """Return inputs with height, width and channels; those without channels get one."""
    shape = tuple(inputs.shape[1:])
    if len(shape) == 2:
        return keras.layers.Reshape((*shape, 1), name="grey")(inputs)
    if len(shape) != 3:
        given = "×".join(map(str, shape))
        raise NetworkUnfit(f"{network} takes images, the inputs of this run have the shape {given}: choose mlp")
    return inputs


def in_colours(keras: Any, images: Any) -> Any:
    """Return images with three channels: a grey one is repeated. Raises NetworkUnfit for another number of channels."""
    channels = images.shape[3]
    if channels not in (1, 3):
        raise NetworkUnfit(f"the network takes images in grey or colours, those of this run have {channels} channels")
    return keras.layers.Concatenate(name="colours")([images, images, images]) if channels == 1 else images


def padded(keras: Any, images: Any, least: int) -> Any:
    """Put a black border around images whose height or width is below ``least``."""
    margins = [max(0, least - side) for side in images.shape[1:3]]
    if not any(margins):
        return images
    border = tuple((margin // 2, margin - margin // 2) for margin in margins)
    return keras.layers.ZeroPadding2D(border, name="border")(images)
