"""The data sets that Meadow knows: number of classes and shape of an image. Nothing is opened here."""

from federation.run.config import Dataset

Shape = tuple[int, int, int]
"""Height, width and channels of an image."""

CLASSES = 10
"""Number of classes; the same in every data set."""

SHAPES: dict[Dataset, Shape] = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
}
"""The shape of an image by data set. The synthetic data set has no images."""
