"""What the virtual clients of a process do: the built-in work on a data set that is read once, or a person's app."""

import re
from collections.abc import Callable, Iterator
from glob import glob
from pathlib import Path
from typing import Any

from federation.client.options.own_data import OwnDataOptions
from federation.client.tasks.apps import BadApp, work_of_app
from federation.client.tasks.executor import Executor
from federation.client.tasks.inputs import TaskInputs
from federation.client.tasks.run_states import RunStates, StateFiles
from federation.learning.client_app import Work, work_on
from federation.learning.data import datasets
from federation.learning.data.own.refusals import BadData
from federation.learning.own_work import own_work
from federation.simulation.plan import Plan

USAGE, NO_DATA = 2, 3
PATTERN = re.compile(r"[*?\[]")


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
    except BadData as error:
        raise BadWork(NO_DATA, error.whole) from error
    inputs = TaskInputs(keep_content=True)
    return [
        (number, work, Executor(work, node, recent_log, name := plan.name_of(number), _states_of(plan, name), inputs))
        for number, work, node in works
    ]


def _states_of(plan: Plan, name: str) -> RunStates | None:
    return StateFiles(plan.states / name) if plan.states is not None and plan.app is None else None


def _works(plan: Plan) -> Iterator[tuple[int, Work, dict[str, Any]]]:
    if plan.own_data is not None:
        yield from _own_works(plan, plan.own_data)
        return
    name = plan.dataset or "digits"
    data = None if plan.app is not None or name == "synthetic" else datasets.load(name, plan.data_path)
    for number, partition in plan.members:
        node = {"partition-id": partition, "num-partitions": plan.partitions, **plan.node_config}
        if plan.app is not None:
            yield number, work_of_app(plan.app, plan.dataset, node), node
        else:
            yield number, work_on(data, partition, plan.partitions, share_labels=plan.share_labels), node


def _own_works(plan: Plan, own: OwnDataOptions) -> Iterator[tuple[int, Work, dict[str, Any]]]:
    """Yield the works of clients with a share of one person's data each, or with a file each that fits a pattern.

    Raises BadData.
    """
    files = _files_of(own.path, plan.partitions) if PATTERN.search(own.path) else []
    whole = None if files else own.read()
    for number, partition in plan.members:
        data = own.read(files[partition]) if whole is None else whole.share(partition, plan.partitions)
        node = {"partition-id": partition, "num-partitions": plan.partitions}
        yield number, own_work(data, own.name_of(data), partition), node


def _files_of(pattern: str, clients: int) -> list[Path]:
    files = sorted(Path(file) for file in glob(pattern))
    if len(files) != clients:
        raise BadData(f"{len(files):,} files for {clients:,} clients: --data must name a file for each", pattern)
    return files
