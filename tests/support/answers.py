"""Answers of light clients that several tests need."""

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.light_client import Answer, honest


def train_only(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    """Answer as the client of an app that has no evaluate function."""
    if task.phase == "evaluate":
        return Answer(error="the app has no evaluate function", not_implemented=True)
    return honest(task, weights, layout)
