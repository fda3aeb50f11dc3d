"""Commands of ``python -m webapp`` beside the dashboard itself, a module each.

Imports ``operations`` and what lies below them.
"""

COMMANDS = {"audit": "webapp.commands.audit", "db": "webapp.commands.database"}
"""The module of each command; its ``main`` takes the arguments behind the command and returns the exit code."""
