"""What the virtual clients of a process do: the built-in work on a data set that is read once, or a person's app."""

from collections.abc import Callable, Iterator
from typing import Any

from federation.client.tasks.apps import BadApp, work_of_app
from federation.client.tasks.executor import Executor
from federation.learning.client_app import Work, work_on
from federation.learning.data import datasets
from federation.simulation.plan import Plan

USAGE, NO_DATA = 2, 3


class BadWork(Exception):
    """The work cannot be done here; the sentence says why, ``code`` is the exit code."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def works_of(plan: Plan, recent_log: Callable[[], list[str]] | None) -> list[tuple[int, Work, Executor]]:
    """Return number, work and executor of each virtual client of the plan; raises BadWork."""
    try:
        works = list(_works(plan))
    except BadApp as error:
        raise BadWork(USAGE, str(error)) from error
    except datasets.DataNotFound as error:
        raise BadWork(NO_DATA, str(error)) from error
    return [(number, work, Executor(work, node, recent_log, plan.name_of(number))) for number, work, node in works]


def _works(plan: Plan) -> Iterator[tuple[int, Work, dict[str, Any]]]:
    name = plan.dataset or "digits"
    data = None if plan.app is not None or name == "synthetic" else datasets.load(name, plan.data_path)
    for number, partition in plan.members:
        node = {"partition-id": partition, "num-partitions": plan.partitions, **plan.node_config}
        if plan.app is not None:
            yield number, work_of_app(plan.app, plan.dataset, node), node
        else:
            yield number, work_on(data, partition, plan.partitions, share_labels=plan.share_labels), node
