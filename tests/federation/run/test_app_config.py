"""Options of people's own apps in a run's configuration."""

import pytest
from pydantic import ValidationError

from federation.run.config import RunConfig


def test_options_of_an_app_keep_their_types() -> None:
    given: dict[str, bool | int | float | str] = {"flag": True, "local-epochs": 2, "rate": 0.5, "penalty": "l2"}
    kept = RunConfig(app_config=given).app_config
    assert kept == given and [type(value) for value in kept.values()] == [bool, int, float, str]


@pytest.mark.parametrize("options", [
    {"a": None}, {"a": [1]}, {"a": {"b": 1}}, {"": 1}, {"x" * 101: 1}, {"a": "x" * 1001}, {"a": 10**400},
    {"a": float("nan")}, {str(number): 1 for number in range(101)},
], ids=repr)  # fmt: skip
def test_options_that_no_flower_run_config_holds_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="app_config"):
        RunConfig(app_config=options)  # type: ignore[arg-type]
