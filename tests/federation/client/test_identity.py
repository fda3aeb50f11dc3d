"""Identity files: one for each name, and never that of another client."""

import json
from pathlib import Path

import pytest

from federation.client.identity import BadIdentity, Identity, default_path
from federation.protocol.messages import MAX_NAME_CHARACTERS

NAMES = [
    "site a", "site:a", "site_a", "site/a", "../site_a", ".site_a", "🌷", "🌻", "🌷🌷", "...", "client", "_",
    "é", "e\u0301", "長" * MAX_NAME_CHARACTERS, "長" * (MAX_NAME_CHARACTERS - 1), "𠀀" * MAX_NAME_CHARACTERS,
    "a" * MAX_NAME_CHARACTERS,
]  # fmt: skip


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "meadow"


def test_each_name_has_a_file_of_its_own(state: Path) -> None:
    found = {name: default_path(name) for name in NAMES}
    assert len(set(found.values())) == len(NAMES)
    assert {path.parent for path in found.values()} == {state}
    loaded = {name: Identity.load(path, name, "host") for name, path in found.items()}
    assert len({identity.public_key for identity in loaded.values()}) == len(NAMES)
    assert {name: Identity.load(path, name, "host") for name, path in found.items()} == loaded


def test_a_name_that_a_file_can_have_is_the_files_name(state: Path) -> None:
    assert [default_path(name) for name in ("site-a", "Ward_3.b", "Zürich")] == [
        state / "site-a.json", state / "Ward_3.b.json", state / "Zürich.json"
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "file"), [("site a", "site_a"), ("🌷", "_"), ("...", "client"), ("a" * 60, "a" * 60)])
def test_the_file_that_an_earlier_release_made_for_the_name_is_kept(state: Path, name: str, file: str) -> None:
    made = Identity.load(state / f"{file}.json", name, "host")
    assert Identity.load(default_path(name), name, "host") == made


def test_a_file_of_another_name_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    first = Identity.load(file, "site-a", "host")
    before = file.read_bytes()
    with pytest.raises(BadIdentity, match=r"belongs to the client 'site-a', not to 'site-b'.*--identity.*--rename"):
        Identity.load(file, "site-b", "host")
    assert file.read_bytes() == before
    assert Identity.load(file, None, "host") == first

    renamed = Identity.load(file, "site-b", "host", rename=True)
    assert (renamed.name, renamed.public_key) == ("site-b", first.public_key)
    assert json.loads(file.read_text())["name"] == "site-b"
