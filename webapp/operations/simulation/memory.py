"""The memory that simulated clients will take, from what was measured: docs/simulation.md has the figures."""

from federation.run.networks import Dataset

MB = 1_000_000
PROCESS_MB, KERAS_MB = 75, 620
"""A process without TensorFlow, and what TensorFlow and Keras add to it."""

CLIENT_MB = 0.3
"""Connection, key, Context and app of one client, and its part of digits."""

IMAGES_MB: dict[Dataset, int] = {"mnist": 55, "fashion_mnist": 55, "cifar10": 185}
"""A data set as bytes, once a process. The partitions that its clients hold are four times of it, in all processes."""


def needed_bytes(dataset: Dataset, clients: int, processes: int) -> int:
    """Return about how many bytes so many simulated clients need in so many processes, all together."""
    keras, images = KERAS_MB if dataset != "synthetic" else 0, IMAGES_MB.get(dataset, 0)
    processes = min(processes, clients)
    return int((processes * (PROCESS_MB + keras + images) + clients * CLIENT_MB + 4 * images) * MB)
