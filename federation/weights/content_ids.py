"""Ids of contents: the sha256 of the bytes. The stream lane and the files of checkpoints use the same id."""

import hashlib

from federation.weights.layout import Buffer


def content_id(*parts: Buffer) -> str:
    """Return the sha256 of the parts, one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
