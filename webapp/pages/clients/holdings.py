"""What a client holds and how people recognize it: the samples it trains on, the fingerprint of its key."""

from federation.protocol.keys import SHORT_BYTES
from webapp.db.tables import Client
from webapp.formatting import count
from webapp.operations.transfer.rows import key_fingerprint

MIN_KEY_DIGITS = 4
"""Fewer hex digits are not searched for in fingerprints: ``ad`` may be the beginning of a name."""


def dataset_of(client: Client) -> str | None:
    """Return the dataset that a client reports to hold; rows of earlier releases may have anything there."""
    dataset = client.data.get("dataset")
    return dataset if isinstance(dataset, str) else None


def train_samples(client: Client) -> int | None:
    """Return how many samples a client trains on; None while it has not counted them."""
    samples = client.data.get("samples")
    amount = samples.get("train") if isinstance(samples, dict) else samples
    return amount if isinstance(amount, int) else None


def partition_words(client: Client) -> str:
    """Say which partition of its dataset a client holds; empty where the client does not report one."""
    part, of = client.data.get("partition"), client.data.get("partitions")
    return f"partition {part} of {of}" if isinstance(part, int) and isinstance(of, int) else ""


def short_key(client: Client) -> str:
    """Return the beginning of the fingerprint of a client's key: ``5f:3a:91:c0``."""
    return key_fingerprint(client.public_key)[: 3 * SHORT_BYTES - 1]


def has_key(client: Client, sought: str) -> bool:
    """Say whether the fingerprint of a client's key begins as sought, with or without its colons."""
    digits = sought.replace(":", "").replace(" ", "").lower()
    return len(digits) >= MIN_KEY_DIGITS and key_fingerprint(client.public_key).replace(":", "").startswith(digits)


def brings(client: Client) -> str:
    """Say in a word or two what a client would bring to a run: ``7,412, scans``, ``partition 0 of 3, digits``.

    The samples of a partition depend on the run.
    """
    dataset, amount, part = dataset_of(client), train_samples(client), partition_words(client)
    if isinstance(app := client.data.get("app"), str):
        return f"app {app}"
    what = part or (count(amount) if amount is not None else "")
    return ", ".join(filter(None, (what, dataset))) or "no dataset reported"
