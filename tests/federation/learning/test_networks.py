"""Networks and their layouts, and the child process that draws initial weights for the server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.learning.keras_backend import load_keras
from federation.learning.networks.__main__ import main
from federation.learning.networks.building import UnknownNetwork, build, layout_of
from federation.learning.networks.images import NetworkUnfit
from federation.learning.sizes import model_parameters
from federation.learning.spec import published_spec
from federation.run.networks import DEFAULT_SETTINGS, NetworkSettings
from federation.schema.spec import Spec
from federation.weights.layout import Layout

pytestmark = pytest.mark.slow

MLP = ["--network", "mlp", "--dataset", "digits", "--loss", "kl_divergence"]

FIRST_WEIGHTS = {
    "mlp": [-0.06455211341381073, 0.17868714034557343],
    "cnn": [-0.05190185457468033, 0.07141277939081192, 0.13387101888656616],
    "lenet": [-0.06761484593153, 0.08950585126876831, 0.12350018322467804],
    "mobilenet_v2": [-0.050397127866744995, 0.12180204689502716, 0.3456534445285797],
}
"""The first weight of each of the first three kernels, drawn with seed 7 for digits."""


def arrays_of(file: Path) -> dict[str, Any]:
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def test_the_mlp_has_the_layers_of_the_design() -> None:
    layers = [(type(layer).__name__, layer.get_config()) for layer in build("mlp", published_spec("digits")).layers[1:]]
    assert [name for name, _ in layers] == ["Flatten", "Dense", "Dropout", "Dense"]
    assert [layers[1][1][key] for key in ("units", "activation")] == [128, "relu"]
    assert layers[2][1]["rate"] == 0.2
    assert [layers[3][1][key] for key in ("units", "activation")] == [10, "softmax"]


@pytest.mark.parametrize(
    ("network", "dataset", "parameters"),
    [("mlp", "digits", 9_610), ("mlp", "mnist", 101_770), ("cnn", "digits", 35_914), ("cnn", "cifar10", 282_250),
     ("lenet", "fashion_mnist", 44_426), ("lenet", "cifar10", 62_006), ("lenet", "digits", 44_426),
     ("mobilenet_v2", "cifar10", 2_270_794), ("mobilenet_v2", "digits", 2_270_794), ("resnet50", "mnist", 23_608_202)],
)  # fmt: skip
def test_every_network_takes_the_images_as_they_are(network: Any, dataset: Any, parameters: int) -> None:
    spec = published_spec(dataset)
    model = build(network, spec)
    assert layout_of(model).parameters == parameters == model_parameters(network, spec, DEFAULT_SETTINGS)
    probabilities = np.asarray(model(np.random.default_rng(1).random((2, *spec.shape), np.float32)))
    assert probabilities.shape == (2, 10)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_grey_images_are_padded_and_get_three_equal_channels() -> None:
    model = build("mobilenet_v2", published_spec("digits"))
    keras = load_keras()
    photos = keras.Model(model.input, model.get_layer("colours").output)(np.ones((1, 8, 8, 1), np.float32))
    assert photos.shape == (1, 32, 32, 3)
    assert np.asarray(photos).sum(axis=(1, 2)).tolist() == [[64, 64, 64]]
    assert np.asarray(photos)[0, 12:20, 12:20].min() == 1


def test_names_do_not_depend_on_networks_built_before() -> None:
    layouts = [layout_of(build(network, published_spec("mnist"))) for network in ("cnn", "mlp", "cnn", "mlp")]
    assert layouts[0] == layouts[2]
    assert layouts[1] == layouts[3]
    assert [entry.name for entry in layouts[1].entries] == [
        "hidden/kernel", "hidden/bias", "classes/kernel", "classes/bias",
    ]  # fmt: skip


def test_moving_statistics_are_in_the_layout_and_its_order_is_that_of_the_weights() -> None:
    model = build("mobilenet_v2", published_spec("cifar10"))
    layout, weights = layout_of(model), model.get_weights()
    names = [entry.name for entry in layout.entries]
    assert {"bn_Conv1/moving_mean", "bn_Conv1/moving_variance"} < set(names)
    assert len(set(names)) == len(names) == 262
    assert layout == Layout.of(names, weights)


def test_a_name_that_occurs_twice_is_made_unique() -> None:
    keras = load_keras()
    pair = [keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="twin")], name="pair") for _ in range(2)]
    names = [entry.name for entry in layout_of(keras.Sequential([*pair[:1], keras.Sequential(pair[1:])])).entries]
    assert names == ["pair/twin/kernel", "pair/twin/bias", "pair/twin/kernel_2", "pair/twin/bias_2"]


@pytest.mark.parametrize(
    ("network", "shape", "settings", "parameters"),
    [
        ("mlp", (30,), NetworkSettings(hidden=(8, 4), activation="tanh"), 31 * 8 + 9 * 4 + 5 * 3),
        ("cnn", (6, 5), NetworkSettings(filters=(4, 8, 16)), 10 * 4 + 37 * 8 + 73 * 16 + 17 * 64 + 65 * 3),
        ("cnn", (2, 9, 2), DEFAULT_SETTINGS, 19 * 32 + 289 * 64 + (2 * 64 + 1) * 64 + 65 * 3),
        ("lenet", (8, 8), DEFAULT_SETTINGS, 44_426 - 85 * 7),
    ],
)
def test_networks_take_other_inputs_and_settings(
    network: Any, shape: tuple[int, ...], settings: NetworkSettings, parameters: int
) -> None:
    spec = Spec.of_classes(shape, 3)
    model = build(network, spec, settings)
    assert layout_of(model).parameters == parameters == model_parameters(network, spec, settings)
    assert np.asarray(model(np.zeros((2, *shape), np.float32))).shape == (2, 3)


def test_a_network_of_images_refuses_a_table() -> None:
    with pytest.raises(NetworkUnfit, match="cnn takes images, the inputs of this run have the shape 30: choose mlp"):
        build("cnn", Spec(shape=(30,), outputs=2, target="binary"))
    with pytest.raises(NetworkUnfit, match="images in grey or colours, those of this run have 4 channels"):
        build("resnet50", Spec(shape=(40, 40, 4), outputs=2, target="binary"))


def test_a_seed_gives_the_weights_that_it_always_gave(tmp_path: Path) -> None:
    """A run that is repeated after an update of Meadow starts from the same weights."""
    for network, first in FIRST_WEIGHTS.items():
        command = ["--network", network, "--dataset", "digits", "--seed", "7", "--output", str(tmp_path / "x.npz")]
        assert main(command) == 0
        with np.load(tmp_path / "x.npz") as written:
            kernels = [written[name].ravel()[0] for name in written.files if name.endswith("kernel")][:3]
        assert kernels == pytest.approx(first, abs=1e-7)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(
        UnknownNetwork, match="no Keras network synthetic: choose one of mlp, cnn, lenet, mobilenet_v2, resnet50"
    ):
        build("synthetic", published_spec("digits"))


def test_the_child_process_writes_seeded_weights_and_describes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        sys.executable,
        "-m",
        "federation.learning.networks",
        *MLP,
        "--seed",
        "7",
        "--output",
        str(tmp_path / "7.npz"),
    ]
    child = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    described = json.loads(child.stdout)
    assert [described[key] for key in ("parameters", "input_shape", "classes")] == [9610, [8, 8, 1], 10]
    assert "hidden (Dense)" in described["summary"]
    written = arrays_of(tmp_path / "7.npz")
    assert Layout.of(list(written), list(written.values())) == Layout.from_json(described["layout"])

    for seed in (7, 8):
        assert main([*MLP, "--seed", str(seed), "--output", str(tmp_path / f"here-{seed}.npz")]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["layout"] == described["layout"]
    again, other = (arrays_of(tmp_path / f"here-{seed}.npz") for seed in (7, 8))
    assert all(np.array_equal(written[name], again[name]) for name in written)
    assert not np.array_equal(written["hidden/kernel"], other["hidden/kernel"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--network", "synthetic"], "argument --network: invalid choice: 'synthetic'"),
        (["--dataset", "letters"], "argument --dataset: invalid choice: 'letters'"),
        (["--loss", "guess"], "argument --loss: invalid choice: 'guess'"),
        (["--seed", "-1"], "argument --seed: -1 is not in 0 to 2**32 - 1"),
        (["--seed", "often"], "argument --seed: invalid int value: 'often'"),
        (["--output", "/nowhere/x.npz"], "No such file or directory"),
        (["--colour", "red"], "unrecognized arguments: --colour red"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main([*MLP, "--seed", "7", "--output", str(tmp_path / "x.npz"), *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert sentence in printed.err
    assert list(tmp_path.iterdir()) == []
