"""The Keras applications: all of them by name, with the pixels that each was made for, from weights of a file."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from flwr.serverapp.strategy import FedAvg

from federation.learning.data.own.options import Options
from federation.learning.data.own.own_data import read
from federation.learning.keras_backend import load_keras
from federation.learning.networks.__main__ import main
from federation.learning.networks.building import build, layout_of
from federation.learning.networks.images import NetworkUnfit
from federation.learning.own_work import own_work
from federation.learning.sizes import model_parameters
from federation.learning.training.frozen import freeze
from federation.run.config import RunConfig
from federation.run.networks import APPLICATIONS, KERAS_NETWORKS, NETWORKS, Network, NetworkSettings
from federation.schema.spec import Spec
from federation.storage.hdf5 import arrays_in
from tests.support.learners import ask, first_weights, metrics, settings
from tests.support.own_data import SHARING, agreed

pytestmark = pytest.mark.slow

THREE = Spec.of_classes((20, 24, 1), 3)
SMALL = NetworkSettings(image_size=32)


def test_every_application_of_the_installed_keras_has_its_name_here() -> None:
    applications = load_keras().applications
    named = {name for name in dir(applications) if name[0].isupper() and callable(getattr(applications, name))}
    assert set(APPLICATIONS) == named
    assert named < set(get_args(Network)) == set(NETWORKS)
    assert named < set(KERAS_NETWORKS)


@pytest.mark.parametrize(("name", "module"), [
    ("MobileNetV2", "mobilenet_v2"), ("ResNet50", "resnet"), ("DenseNet121", "densenet"),
    ("EfficientNetV2B0", "efficientnet_v2"),
])  # fmt: skip
def test_pixels_are_those_of_the_applications_own_preprocessing(name: str, module: str) -> None:
    """One of each kind; the others share the functions of these."""
    keras = load_keras()
    model = build(name, THREE, SMALL)
    pixels = keras.Model(model.input, model.get_layer("pixels").output)
    images = np.random.default_rng(1).random((2, 20, 24, 1), np.float32)
    photos = keras.layers.Resizing(32, 32)(np.repeat(images, 3, axis=3))
    expected = getattr(keras.applications, module).preprocess_input(np.array(photos) * 255)
    assert np.asarray(pixels(images)) == pytest.approx(np.asarray(expected), abs=1e-3)
    assert layout_of(model).parameters == model_parameters(name, THREE, SMALL)
    assert np.asarray(model(images)).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_images_are_scaled_to_the_size_that_an_application_takes() -> None:
    assert build("MobileNetV2", THREE).get_layer("resized").output.shape == (None, 224, 224, 3)
    with pytest.raises(NetworkUnfit, match="Xception takes images of at least 71 pixels, the run's image size is 32"):
        build("Xception", THREE, SMALL)
    with pytest.raises(ValueError, match="Xception takes images of at least 71 pixels"):
        RunConfig(network="Xception", image_size=32)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn:DeprecationWarning")  # Keras saves a model
def test_a_network_starts_from_a_file_of_weights_without_its_last_layer(tmp_path: Path, capsys: Any) -> None:
    base = load_keras().applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    given = [np.full_like(array, place) for place, array in enumerate(base.get_weights())]
    np.savez(tmp_path / "base.npz", *given)
    data = ["--network", "MobileNetV2", "--spec", THREE.model_dump_json(), "--settings", json.dumps({"image_size": 32})]
    command = [*data, "--seed", "1", "--output", str(tmp_path / "x.npz")]
    base.set_weights(given)
    base.save(tmp_path / "base.h5")
    for one, other in zip(given, arrays_in(tmp_path / "base.h5", 10**8), strict=True):
        assert np.array_equal(one, other), "an .h5 has the order of the network"
    assert main([*command, "--start", str(tmp_path / "base.npz")]) == 0
    with np.load(tmp_path / "x.npz") as written:
        arrays = [written[name] for name in written.files]
    assert all(np.array_equal(one, other) for one, other in zip(given, arrays[:-2], strict=True))
    assert [one.shape for one in arrays[-2:]] == [(1280, 3), (3,)]
    assert len(np.unique(arrays[-2])) > 1000, "the last layer is drawn"
    np.savez(tmp_path / "base.npz", *given[1:])
    assert main([*command, "--start", str(tmp_path / "base.npz")]) == 1
    assert "the uploaded weights have 259 arrays, MobileNetV2 has 262 arrays, or 260" in capsys.readouterr().err
    np.savez(tmp_path / "base.npz", *given[:-1], given[-1][1:])
    assert main([*command, "--start", str(tmp_path / "base.npz")]) == 1
    assert "the uploaded weights do not fit MobileNetV2: sends" in capsys.readouterr().err


def frames(folder: Path, label: str, first: int) -> None:
    """Six JPEG files of one class: bars that stand or lie, at other places in each."""
    from PIL import Image

    (folder / label).mkdir(parents=True)
    for place in range(6):
        pixels = np.zeros((16, 16), np.uint8)
        pixels[2 * place : 2 * place + 3] = 255 - 10 * first
        Image.fromarray(pixels if label == "lie" else pixels.T).save(folder / label / f"{place}.jpg")


def test_two_clients_with_folders_of_jpegs_train_the_last_layer_of_an_application(tmp_path: Path) -> None:
    """All layers of MobileNetV2 are trained in tests/federation/simulation."""
    for client in range(2):
        for label in ("lie", "stand"):
            frames(tmp_path / str(client), label, client)
    held = [read(tmp_path / str(client), Options(image_size=16), SHARING) for client in range(2)]
    works = [own_work(data, "bars", number) for number, data in enumerate(held)]
    config = settings(network="EfficientNetV2B0", image_size=32, batch_size=5, steps_per_epoch=2)
    config |= {"frozen_layers": "*, !classes"}
    config |= {"dataset": "bars", "schema": agreed(*held).model_dump_json()}
    first = weights = first_weights(config)
    strategy = FedAvg()
    for number in (1, 2):
        replies = [ask(work, "train", weights, config | {"server-round": number}) for work in works]
        averaged, _ = strategy.aggregate_train(number, replies)
        assert averaged is not None
        weights = averaged
    told = [metrics(ask(work, "evaluate", weights, config)) for work in works]
    assert all(one["num-examples"] == 2 and np.isfinite(one["loss"]) for one in told)
    changed = {name for name in first if not np.array_equal(first[name].numpy(), weights[name].numpy())}
    assert changed == {"classes/kernel", "classes/bias"}


def test_frozen_layers_are_layers_of_the_network_and_one_is_left_to_train() -> None:
    model = build("mlp", THREE)
    freeze(model, "*, !hidden")
    assert [layer.name for layer in model.layers if layer.trainable_weights] == ["hidden"]
    with pytest.raises(ValueError, match=r"frozen layers: hiden is no layer of mlp; it has hidden, classes$"):
        freeze(build("mlp", THREE), "hiden")
    with pytest.raises(ValueError, match="leaves no layer of mlp to train"):
        freeze(build("mlp", THREE), "*")


def test_only_networks_that_take_weights_of_a_file_get_them() -> None:
    weights = "0" * 64
    assert RunConfig(network="ResNet50", initial_weights=weights).stored()["initial_weights"] == weights
    with pytest.raises(ValueError, match="only network custom and Keras applications start from uploaded weights"):
        RunConfig(network="mlp", initial_weights=weights)
