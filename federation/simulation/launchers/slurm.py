"""The script that starts the processes of a simulation as tasks of a Slurm job."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=meadow-{name}
#SBATCH --ntasks={processes}
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=1500M
# Add what the cluster asks for: --partition, --account, --time, --gpus-per-task.
# Every node must reach the Flower server, and read {folder}.
srun --kill-on-bad-exit=0 sh -c 'exec "$@" --share "$SLURM_PROCID"' sh \\
  {command}
"""


def script_of(arguments: Sequence[str], processes: int, name: str, folder: Path) -> str:
    """Return a script for sbatch; ``arguments`` are the command line's, ``folder`` has the secret."""
    left = _without(_without(arguments, "--launcher"), "--identities")
    command = [sys.executable, "-m", "federation.simulation", *left, "--identities", str(folder)]
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return SCRIPT.format(name=safe, processes=processes, folder=folder, command=shlex.join(command))


def _without(arguments: Sequence[str], option: str) -> list[str]:
    """Return the arguments without an option and its value."""
    left: list[str] = []
    values = iter(arguments)
    for argument in values:
        if argument == option:
            next(values, None)
        elif not argument.startswith(f"{option}="):
            left.append(argument)
    return left
