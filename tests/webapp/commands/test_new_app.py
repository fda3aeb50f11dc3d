"""``python -m webapp new app``: each template is a Flower App whose own test passes."""

import importlib.util
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from federation.apps.archive import read_app
from tests.support.flower_apps import zip_of
from tests.support.new_apps import files_in, pass_own_tests
from webapp.commands.new_app import TEMPLATES, main, write_app


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_a_flower_app_with_the_name_that_was_given(tmp_path: Path, template: str) -> None:
    folder = write_app("ward-7", template, tmp_path)
    files = files_in(folder)
    assert {"pyproject.toml", "README.md", "ward_7/client_app.py", "ward_7/task.py", "tests/test_app.py"} <= set(files)
    for name, content in files.items():
        assert not [one for one in (b"my_app", b"my-app", b"WORDS", b"DATA", b"DEPEND") if one in content], name
    app = read_app(BytesIO(zip_of(files)))
    assert (app.name, app.settings) == ("ward-7", {"num-server-rounds": 5, "local-epochs": 1})


def test_the_command_writes_an_app_whose_test_passes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["app", "first", "--template", "tabular"]) == 0
    assert "cd first; python -m pytest" in capsys.readouterr().out
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path / "first", capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert tested.returncode == 0 and "2 passed" in tested.stdout, tested.stdout + tested.stderr
    assert main(["app", "first", "--template", "sklearn"]) == 1
    assert "is there already" in capsys.readouterr().err
    for name, said in (("First", "is no name of an app"), ("../x", "is no name"), ("numpy", "module of this Python"),
                       ("class", "is a word")):  # fmt: skip
        assert main(["app", name, "--template", "sklearn"]) == 2
        assert said in capsys.readouterr().err
    assert main(["app", "second", "--template", "none"]) == 2


@pytest.mark.parametrize("template", ["sklearn", "pytorch"])
def test_the_tests_of_a_template_pass(tmp_path: Path, template: str) -> None:
    """That of images is beside the tests that have TensorFlow loaded; that of tabular is above."""
    if template == "pytorch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed here")
    assert pass_own_tests(write_app("ward", template, tmp_path)) == 2
