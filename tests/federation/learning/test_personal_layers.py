"""Layers that stay at the clients: trained by each for itself, neither sent nor averaged, kept over a restart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from federation.client.outbox import ClientTask
from federation.client.tasks import supernode
from federation.client.tasks.executor import Executor
from federation.client.tasks.run_states import KEPT_RUNS, StateFiles
from federation.learning.networks.__main__ import main
from federation.protocol.messages import ContentHeader, Task, decode_client, encode
from federation.run.config import RunConfig
from federation.server.flower import identify_process
from federation.weights.content_ids import content_id
from federation.weights.flower_content import content_of, flower_arrays, text_of
from federation.weights.layout import Layout, NumpyArray
from tests.support.learners import digits, settings

pytestmark = pytest.mark.slow

PERSONAL: dict[str, Any] = {
    "network": "mlp",
    "dataset": "digits",
    "personal_layers": "classes",
    "partitioner": "dirichlet",
}
HEAD = 128 * 10 + 10
Weights = list[NumpyArray]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Weights]:
    """The weights that the server draws, and sends in round 1."""
    file = tmp_path_factory.mktemp("drawn") / "x.npz"
    command = ["--network", "mlp", "--dataset", "digits", "--seed", "7", "--output", str(file)]
    assert main([*command, "--personal", "classes"]) == 0
    with np.load(file) as packed:
        arrays = [packed[name] for name in packed.files]
        return Layout.of(packed.files, arrays), arrays


def task(layout: Layout, weights: Weights, phase: str, number: int, run_id: int = 1, **config: Any) -> ClientTask:
    buffer = layout.pack(weights)
    header = ContentHeader(id=content_id(buffer), size_bytes=len(buffer), layout=layout.to_json())
    told = settings(number, **PERSONAL) | config
    return ClientTask(Task(message_id=f"{phase}-{number}", run_id=run_id, round=number, phase=phase,
                           deadline_seconds=60, config=told, content=header), buffer)  # fmt: skip


def do(executor: Executor, *given: Any, **config: Any) -> tuple[Weights, dict[str, Any], int]:
    """Return the arrays of the reply, its metrics, and the bytes of its content."""
    reply = executor.run(task(*given, **config), 2, lambda *_: None)
    assert reply is not None and reply.offer.error is None, reply
    if reply.offer.content is None or reply.content is None:
        return [], reply.offer.metrics, 0
    return Layout.from_json(reply.offer.content.layout).unpack(reply.content), reply.offer.metrics, len(reply.content)


def head_of(folder: Path, run_id: int = 1) -> Weights:
    (record,) = StateFiles(folder).read(run_id).array_records.values()
    return record.to_numpy_ndarrays()


def are_equal(one: Weights, other: Weights) -> bool:
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_heads_differ_after_training_and_outlast_a_restart_of_their_client(
    tmp_path: Path, first: tuple[Layout, Weights], capsys: Any
) -> None:
    layout, weights = first
    whole = Layout.from_json(digits().prepare(settings())["layout"])
    assert [entry.name for entry in layout.entries] == ["hidden/kernel", "hidden/bias"]
    assert digits().prepare(settings(**PERSONAL))["layout"] == layout.to_json()
    folders = [tmp_path / "a", tmp_path / "b"]

    def clients() -> list[Executor]:
        return [Executor(digits(n), {}, states=StateFiles(folder)) for n, folder in enumerate(folders)]

    executors = clients()
    before = [do(one, layout, weights, "evaluate", 0)[1] for one in executors]
    for number in (1, 2):
        replies = [do(one, layout, weights, "train", number) for one in executors]
        assert {size for *_, size in replies} == {whole.size_bytes - 4 * HEAD}, "the head is not on the wire"
        weights = [np.mean(both, axis=0) for both in zip(*(arrays for arrays, *_ in replies), strict=True)]
    heads = [head_of(folder) for folder in folders]
    assert [array.shape for array in heads[0]] == [(128, 10), (10,)]
    assert not any(np.array_equal(mine, theirs) for mine, theirs in zip(*heads, strict=True))
    told = [do(one, layout, weights, "evaluate", 2)[1] for one in executors]
    assert all(now["loss"] < 0.9 * then["loss"] for now, then in zip(told, before, strict=True))

    again = clients()  # processes that were started anew
    assert [do(one, layout, weights, "evaluate", 2)[1] for one in again] == told
    swapped = [Executor(digits(n), {}, states=StateFiles(folders[1 - n])) for n in range(2)]
    assert [do(one, layout, weights, "evaluate", 2)[1] for one in swapped] != told
    assert do(again[0], layout, weights, "evaluate", 2, run_id=2)[1] != told[0], "another run begins with its own"
    one, other = ([do(e, layout, weights, "train", 3)[0], head_of(folders[0])] for e in (executors[0], clients()[0]))
    assert not are_equal(one[1], heads[0])
    assert not are_equal(one[1], other[1]), "training goes on from the head as it is"


def test_states_are_bounded_and_a_damaged_one_begins_anew(
    tmp_path: Path, first: tuple[Layout, Weights], caplog: Any
) -> None:
    layout, weights = first
    executor = Executor(digits(), {}, states=StateFiles(tmp_path / "kept"))
    alone = Executor(digits(), {})
    begun = do(alone, layout, weights, "evaluate", 0)[1]
    for run_id in range(1, KEPT_RUNS + 3):
        do(executor, layout, weights, "train", 1, run_id=run_id, steps_per_epoch=1)
    assert len(list((tmp_path / "kept").iterdir())) == KEPT_RUNS
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    last = tmp_path / "kept" / f"run-{run_id}.npz"
    last.write_bytes(last.read_bytes()[:-100])
    anew = Executor(digits(), {}, states=StateFiles(tmp_path / "kept"))
    assert do(anew, layout, weights, "evaluate", 0, run_id=run_id)[1] == begun
    assert f"run {run_id}: its kept layers cannot be read and begin anew" in caplog.text
    (tmp_path / "file").write_text("")
    blocked = Executor(digits(), {}, states=StateFiles(tmp_path / "file" / "kept"))
    do(blocked, layout, weights, "train", 1, steps_per_epoch=1)
    assert "its layers of this client are not kept over a restart" in caplog.text


def test_a_supernode_keeps_the_head_of_its_run_in_flowers_state(first: tuple[Layout, Weights]) -> None:
    layout, weights = first
    identify_process(1)
    state = RecordDict()

    def ask(phase: str, number: int, run_id: int = 1) -> dict[str, Any]:
        given = task(layout, weights, phase, number, run_id, partitioner="iid")
        arrays = flower_arrays(zip([entry.name for entry in layout.entries], weights, strict=True))
        context = Context(9, 2, {}, state, {})
        content = content_of(encode(given.task), arrays)
        reply = supernode.app(Message(content, dst_node_id=2, message_type=phase), context)
        offer = decode_client(text_of(reply.content))
        return dict(offer.metrics)  # type: ignore[union-attr]

    begun = ask("evaluate", 0)
    ask("train", 1)
    assert isinstance(state["meadow-run"], ConfigRecord)
    kept = next(iter(state.array_records.values()))
    assert all(type(array).__name__ == "Array" for array in kept.values()), "Flower's store takes no other"
    assert ask("evaluate", 1)["loss"] < begun["loss"]
    assert ask("evaluate", 0, run_id=2)["loss"] == begun["loss"]


def test_layers_must_be_there_and_one_is_left_to_share(tmp_path: Path, capsys: Any) -> None:
    command = ["--network", "mlp", "--dataset", "digits", "--seed", "7", "--output", str(tmp_path / "x.npz")]
    for patterns, said in (("head", "personal layers: head is no layer of mlp; it has hidden, classes"),
                           ("*", "personal layers: * leaves no layer of mlp to share")):  # fmt: skip
        assert main([*command, "--personal", patterns]) == 1
        assert said in capsys.readouterr().err
    with pytest.raises(ValueError, match="the server has no whole model to evaluate"):
        RunConfig(dataset="mnist", personal_layers="classes", server_evaluation="test_split")
    assert "personal_layers" not in RunConfig(network="synthetic", personal_layers="classes").stored()
