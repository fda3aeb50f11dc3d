"""Which commits scripts/commit_subjects.py finds fault with, in repositories of all kinds."""

import subprocess
from pathlib import Path

import pytest

from scripts.commit_subjects import NoHistory, long_subjects

SCRIPT = "scripts/check.py"
LONG = "Say " + "very " * 14 + "much"


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, subject: str, *, name: str = "") -> str:
    """Make a commit, with a new file where one is named; return its short hash."""
    if name:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(subject)
        git(root, "add", name)
    git(root, "commit", "--quiet", "--allow-empty", "-m", f"{subject}\n\n{LONG} in the body")
    return git(root, "rev-parse", "--short", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet")
    commit(root, f"Old: {LONG}", name="README.md")
    commit(root, f"Adds the script: {LONG}", name=SCRIPT)
    return root


def test_only_commits_after_the_script_count(repository: Path) -> None:
    commit(repository, "S" * 72, name=SCRIPT)
    assert long_subjects(repository, SCRIPT) == []
    found = commit(repository, "S" * 73)
    commit(repository, "Short")
    assert long_subjects(repository, SCRIPT) == [f"{found} {'S' * 73}"]


def test_merges_do_not_count(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "side")
    found = commit(repository, LONG)
    git(repository, "checkout", "--quiet", "-")
    commit(repository, "Short")
    git(repository, "merge", "--quiet", "-m", f"Merge: {LONG}", "side")
    assert [line.split()[0] for line in long_subjects(repository, SCRIPT)] == [found]


def test_a_shallow_clone_checks_what_it_has(repository: Path, tmp_path: Path) -> None:
    commit(repository, LONG)
    commit(repository, LONG)
    found = commit(repository, LONG)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "2", f"file://{repository}", str(clone))
    assert [line.split()[0] for line in long_subjects(clone, SCRIPT)] == [found]


def test_a_tree_without_a_history_of_its_own_says_so(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match="not a git repository"):
        long_subjects(tmp_path, SCRIPT)
    with pytest.raises(NoHistory, match="not the root"):
        long_subjects(repository / "scripts", "check.py")
    with pytest.raises(NoHistory, match="no commit added"):
        long_subjects(repository, "scripts/other.py")


def test_a_machine_without_git_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoHistory, match="git is not installed"):
        long_subjects(repository, SCRIPT)
