"""Checks the subjects of commits: at most 72 characters, so that logs and lists of commits show them whole.

Commits older than this script have longer ones and do not count. In a shallow clone the oldest commit that is there
takes the place of the one that added this script.
"""

import subprocess
import sys
from pathlib import Path

LONGEST = 72
SCRIPT = Path(__file__).resolve()


class NoHistory(Exception):
    """There is no git, or the tree is not the root of a repository; the text says which."""


def git(root: Path, *arguments: str) -> str:
    """Return what git prints; raises NoHistory where it fails or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoHistory("git is not installed") from error
    if done.returncode:
        raise NoHistory(done.stderr.strip().partition("\n")[0])
    return done.stdout


def long_subjects(root: Path, script: str) -> list[str]:
    """Return the commits since the one that added ``script`` whose subject is too long, newest first.

    Merges do not count. Raises NoHistory.
    """
    if Path(git(root, "rev-parse", "--show-toplevel").strip()).resolve() != root.resolve():
        raise NoHistory(f"{root} is not the root of a repository")
    added = git(root, "log", "--diff-filter=A", "--format=%H", "--", script).split()
    if not added:
        raise NoHistory(f"no commit added {script}")
    lines = git(root, "log", "--no-merges", "--format=%h %s", f"{added[-1]}..HEAD").splitlines()
    return [line for line in lines if len(line.partition(" ")[2]) > LONGEST]


def main() -> int:
    """Print the commits with a long subject; 1 where there is one."""
    root = SCRIPT.parents[1]
    try:
        found = long_subjects(root, SCRIPT.relative_to(root).as_posix())
    except NoHistory as reason:
        print(f"Subjects of commits are not checked: {reason}")
        return 0
    for line in found:
        commit, _, subject = line.partition(" ")
        print(f"{commit}: subject of {len(subject)} characters, at most {LONGEST} fit: {subject}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
