"""The text of a node config, as ``flower-supernode`` reads its ``--node-config``."""

import re
import tomllib
from typing import Any

PAIR = re.compile(r"""([\w.-]+)=("[^"]*"|'[^']*'|\S+)(?:\s+|$)""")


def read_node_config(text: str) -> dict[str, Any]:
    """Return the values of ``partition-id=0 name="ward 3"``; raises ValueError."""
    pairs = PAIR.findall(text)
    try:
        values = tomllib.loads("\n".join(f'"{key}" = {value}' for key, value in pairs))
    except tomllib.TOMLDecodeError:
        values = {}
    if PAIR.sub("", text.lstrip()) or not all(type(v) in (bool, int, float, str) for v in values.values()):
        values = {}
    if text.strip() and not values:
        raise ValueError(f"{text!r} is not a list such as 'partition-id=0 num-partitions=2 site=\"north\"'")
    return values
