"""Commands of ``python -m webapp`` beside the dashboard itself, a module each.

Imports ``accounts``, ``operations`` and what lies below them.
"""

COMMANDS = {
    "audit": "webapp.commands.audit",
    "certs": "webapp.commands.certificates",
    "db": "webapp.commands.database",
    "demo": "webapp.commands.demo",
    "new": "webapp.commands.new_app",
    "users": "webapp.commands.users",
}
"""The module of each command; its ``main`` takes the arguments behind the command and returns the exit code."""
