"""The names of flwr's inside that are relied on, each in one list; a name that is gone is told."""

import ast
import re
from pathlib import Path

import pytest

from federation import flwr_internals
from federation.flwr_internals import METHODS, NAMES, TEXTS, main, missing

FEDERATION = Path(flwr_internals.__file__).parent


def imported(source: str) -> set[tuple[str, str]]:
    """Return (module, name) of each import from a module."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {(str(node.module), alias.name) for node in nodes for alias in node.names}


def test_flwr_has_each_name_that_is_relied_on() -> None:
    assert list(missing()) == []


def test_all_of_the_list_is_used_and_nothing_else() -> None:
    sources = [path.read_text() for path in FEDERATION.rglob("*.py")]
    used = {name for source in sources for module, name in imported(source) if module == flwr_internals.__name__}
    used |= {name for source in sources for name in re.findall(r'location_of\("(\w+)"\)', source)}
    assert (used - {"location_of"}) | METHODS.keys() == {name for names in NAMES.values() for name in names}


def test_a_name_a_method_and_a_module_that_are_gone_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(NAMES, "flwr.supercore.fab", ("Fab", "Gone"))
    monkeypatch.setitem(NAMES, "flwr.moved", ("Thing",))
    monkeypatch.setitem(METHODS, "Fab", ("open",))
    monkeypatch.setitem(TEXTS, "flwr.moved.strategy", ("[ROUND %s]",))
    assert main() == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "MISSING flwr.supercore.fab.Fab.open",
        "MISSING flwr.supercore.fab.Gone",
        "MISSING flwr.moved: No module named 'flwr.moved'",
    ]
    assert "MISSING flwr.moved.strategy: '[ROUND %s]'" in said
