"""Commands of ``python -m webapp`` beside the dashboard itself, a module each.

Imports ``accounts``, ``operations`` and what lies below them.
"""

import sys

COMMANDS = {
    "audit": "webapp.commands.audit",
    "certs": "webapp.commands.certificates",
    "db": "webapp.commands.database",
    "demo": "webapp.commands.demo",
    "new": "webapp.commands.new_app",
    "users": "webapp.commands.users",
}
"""The module of each command; its ``main`` takes the arguments behind the command and returns the exit code."""


def say(code: int, sentence: str) -> int:
    """Write the sentence to standard output, to standard error with another code than 0; return the code."""
    (sys.stderr if code else sys.stdout).write(f"{sentence}\n")
    return code
