"""The data sets that Meadow knows: classes, number of samples and shape of an image. Nothing is opened here."""

Shape = tuple[int, int, int]
"""Height, width and channels of an image."""

CLASSES = 10
"""Number of classes; the same in every data set."""

SHAPES: dict[str, Shape] = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
}
"""The shape of an image by data set. The synthetic data set has no images."""

CLASS_COUNTS: dict[str, tuple[int, ...]] = {
    "digits": (178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
    "mnist": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "fashion_mnist": (6000,) * CLASSES,
    "cifar10": (5000,) * CLASSES,
}
"""The training samples of each class as published; digits has no split."""

TEST_SAMPLES: dict[str, int] = {"mnist": 10_000, "fashion_mnist": 10_000, "cifar10": 10_000}
"""The samples of the published test split, where there is one."""
