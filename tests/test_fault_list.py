"""The list of faults, and the promises of docs/security.md, name tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIST = TESTS / "faults" / "README.md"
PROMISES = TESTS.parent / "docs" / "security.md"
FILE_AND_WORDS = re.compile(r"`([\w/]+\.py)`([^`;|]*)")
WORD = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)+")


def names_of_tests(file: str) -> str:
    """Return the names of all tests in the files of a name; raises where there is no such file."""
    found = [path.read_text() for path in TESTS.rglob(Path(file).name)]
    assert found, f"there is no {file}"
    return " ".join(name for text in found for name in re.findall(r"def (test_\w+)", text))


@pytest.mark.parametrize(("text", "least"), [(LIST, 40), (PROMISES, 10)], ids=lambda one: getattr(one, "name", ""))
def test_each_fault_and_each_promise_names_tests_that_exist(text: Path, least: int) -> None:
    named = FILE_AND_WORDS.findall(text.read_text())
    assert len(named) > least
    missing = []
    for file, words in named:
        tests = names_of_tests(file)
        missing += [f"{file} {word}" for word in WORD.findall(words) if word not in tests]
    assert not missing
