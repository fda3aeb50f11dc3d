"""A process with many light clients of the stream lane: ``python -m benchmarks.crowd ADDRESS WHICH COUNT``."""

import asyncio
import sys

from federation.protocol import messages
from federation.weights.layout import Layout
from tests.support.light_client import Answer, LightClient, honest, shifted


def answer(task: messages.Task, weights: bytes | None, layout: Layout | None) -> Answer:
    """Do the work of a synthetic client: add one number to the whole array, and take as long as the run says."""
    plain = honest(task, weights, layout)
    plain.delay_seconds = task.config.get("synthetic_seconds", 0.0) if task.phase == "train" else 0.0
    if plain.weights is not None:
        plain.weights = shifted(bytes(plain.weights), 0.001)
    return plain


class PromptClient(LightClient):
    """A light client that is as prompt as the real one."""

    sends_small_weights_at_once = True


async def serve(address: str, names: list[str]) -> None:
    """Serve until every connection has ended."""
    await asyncio.gather(*(PromptClient(address, name, answer).run() for name in names))


if __name__ == "__main__":
    address, which, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    asyncio.run(serve(address, [f"light-{which}-{i}" for i in range(count)]))
