"""ClientApps of clients that are not well: one takes too long, one fails at every training."""

import threading

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation.progress import report_progress

slow, failing = ClientApp(), ClientApp()


@slow.train()
def train_for_ever(message: Message, context: Context) -> Message:
    """Work until the server needs it no more."""
    while True:
        threading.Event().wait(0.05)
        report_progress(1, None, None)


@failing.train()
def fail(message: Message, context: Context) -> Message:
    """Raise what is far too long to be shown."""
    raise ValueError("the disk is " + "very " * 100 + "full")


@slow.evaluate()
@failing.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Say something that counts for little."""
    return Message(RecordDict({"metrics": MetricRecord({"num-examples": 1, "loss": 1.0})}), reply_to=message)
