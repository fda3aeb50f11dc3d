"""A database that lies in no data directory."""

from pathlib import Path

import pytest

from tests.support.postgres import emptied


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that lies in no data directory."""
    if request.param == "postgresql":
        return emptied(request.getfixturevalue("postgres"))
    return f"sqlite:///{tmp_path / 'elsewhere.db'}"
