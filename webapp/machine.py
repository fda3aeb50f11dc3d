"""The machine that the dashboard runs on."""

import os
from pathlib import Path

CGROUP_LIMIT, CGROUP_USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
MEMINFO = Path("/proc/meminfo")


def memory_bytes() -> int:
    """Return the memory of the machine, or of the container where that has less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no cgroup of version 2, or "max"
        return total


def available_bytes() -> int | None:
    """Return the memory that is not in use, of the machine, or of the container where that has less; None: unknown."""
    try:
        fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        free = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):  # no Linux
        return None
    try:
        return max(0, min(free, int(CGROUP_LIMIT.read_text()) - int(CGROUP_USED.read_text())))
    except (OSError, ValueError):
        return free
