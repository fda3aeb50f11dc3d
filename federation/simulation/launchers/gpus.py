"""Which GPU each process of a simulation uses, and how much of its memory the process may take."""

import math
import os
import subprocess
from collections.abc import Sequence

from federation.simulation.plan import GpuShare, Plan

QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits")
QUERY_SECONDS = 20.0

CONTEXT_MB = 600
"""What CUDA and its libraries take of a GPU for a process, beside the memory that TensorFlow counts."""


class NoGpu(Exception):
    """The processes do not fit on the GPUs of this machine; the sentence says why."""


def on_gpus(plans: Sequence[Plan], fraction: float) -> list[Plan]:
    """Return the plans with a fraction of a GPU for each, spread over the GPUs that this process may use; raises NoGpu.

    Those are the ones that CUDA_VISIBLE_DEVICES names where it is set.
    """
    gpus, room = _visible_gpus(), math.floor(1 / fraction + 1e-9)
    if not gpus:
        raise NoGpu("there is no NVIDIA GPU here: nvidia-smi lists none that may be used")
    if len(plans) > room * len(gpus):
        needed = math.ceil(len(plans) / room)
        raise NoGpu(
            f"{len(plans):,} processes with {fraction:g} of a GPU each need {needed:,} GPUs, here are {len(gpus):,}"
        )
    placed = []
    for number, plan in enumerate(plans):
        device, total_mb = gpus[number % len(gpus)]
        memory_mb = int(total_mb * fraction) - CONTEXT_MB
        if memory_mb <= 0:
            raise NoGpu(
                f"{fraction:g} of a GPU with {total_mb:,} MiB is less than the {CONTEXT_MB:,} MiB that CUDA takes"
            )
        placed.append(plan.model_copy(update={"gpu": GpuShare(device, memory_mb)}))
    return placed


def _visible_gpus() -> list[tuple[str, int]]:
    """Return name and memory (MiB) of each GPU that this process may use; the name is one for CUDA_VISIBLE_DEVICES."""
    try:
        listed = subprocess.run(QUERY, capture_output=True, text=True, check=True, timeout=QUERY_SECONDS).stdout
        rows = [[cell.strip() for cell in line.split(",")] for line in listed.splitlines() if line.strip()]
        gpus = [(index, uuid, int(memory)) for index, uuid, memory in rows]
    except (OSError, subprocess.SubprocessError, ValueError):  # no driver, or one that lists no memory
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [(uuid, memory) for _, uuid, memory in gpus]
    names = [name.strip() for name in chosen.split(",")]
    return [(name, memory) for name in names for index, uuid, memory in gpus if name and name in (index, uuid)]
