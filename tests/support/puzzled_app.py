"""A Flower ClientApp whose training fails in the standard library, which its own code calls, after much output."""

import json
import logging
import subprocess
import sys

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

app = ClientApp()
log = logging.getLogger(__name__)


def read_batch(text: str) -> object:
    """Read what is no JSON."""
    return json.loads(text)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Print and log more than is kept, use standard output as a file, then fail."""
    for batch in range(300):
        print(f"batch {batch} " + "x" * (1000 if batch == 299 else 0))
    log.warning("loss is \ud800 nan")
    sys.stdout.buffer.write(b"bytes\n")
    subprocess.run([sys.executable, "--version"], stdout=sys.stdout, check=True)
    print("not a whole line", end="")
    read_batch("{broken")
    return message
