"""Where the processes of a simulation run other than as children of the command: Ray actors, tasks of Slurm, on GPUs.

Imports ``plan`` and ``processes`` of ``simulation`` and what ``simulation`` may.
"""
