"""Answers of light clients that several tests need."""

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.light_client import Answer, honest


def train_only(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    """Answer as the client of an app that has no evaluate function."""
    if task.phase == "evaluate":
        return Answer(error="the app has no evaluate function", not_implemented=True)
    return honest(task, weights, layout)


def nan_loss_in_round_1(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    """Answer honestly, but for one loss that is no number."""
    answer = honest(task, weights, layout)
    if task.phase == "evaluate" and task.round == 1:
        answer.metrics = {"loss": float("nan"), "accuracy": 0.5}
    return answer
