"""The command ``meadow`` of an installed package: one name for the programs that ``python -m`` starts.

It imports the program that is asked for and no other: a client needs no web server.
"""

import importlib
import sys
from importlib.metadata import version

from webapp.commands import COMMANDS

PROGRAMS = {"client": "federation.client.__main__", "simulation": "federation.simulation.__main__"}
USAGE = f"""Usage: meadow COMMAND [OPTIONS]

  serve       the dashboard and the Flower server (python -m webapp)
  client      a client (python -m federation.client)
  simulation  many virtual clients (python -m federation.simulation)
  {", ".join(sorted(COMMANDS))}
              commands of python -m webapp

meadow COMMAND --help tells of the options, meadow --version of the release.
"""


def main() -> int:
    """Run a program with the arguments behind its name; return the exit code."""
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in PROGRAMS:
        sys.argv = [f"meadow {command}", *arguments]
        importlib.import_module(PROGRAMS[command]).main()
        return 0
    if command == "serve" or command in COMMANDS:
        given = arguments if command == "serve" else [command, *arguments]
        return int(importlib.import_module("webapp.__main__").main(given))
    if command in ("--help", "--version"):
        sys.stdout.write(USAGE if command == "--help" else f"meadow {version('meadow')}\n")
        return 0
    sys.stderr.write(f"There is no command {command!r}.\n\n{USAGE}")
    return 2
