"""How many GPUs the jobs of a run may use at a time."""

from collections.abc import MutableMapping
from pathlib import Path

LIMIT = "DENSEFLOW_GPUS"
"""The variable by which a job on another machine is told; Snakemake hands its limits over to none."""


def gpu_limit(
    given: int | None, *, main: bool, local: bool, environment: MutableMapping[str, str], root: Path = Path("/")
) -> int | None:
    """The limit on GPUs for this process of Snakemake; the one that starts the jobs tells it to their processes.

    Args:
        given: ``--resources gpu=N``, where it was given.
        main: Whether this process starts the jobs, or runs one of them on another machine.
        local: Whether the jobs run on this machine.
        environment: The variables of the process, which its jobs inherit.
        root: Where /dev is.

    Returns:
        What was given, or else what this machine has, and 1 where it has none: then the jobs say so. None where there
        is no limit, as on a cluster.
    """
    if not main:
        return int(environment[LIMIT]) if LIMIT in environment else None
    if given is None and local:
        given = max(1, len([*root.glob("dev/nvidia[0-9]*")]))
    environment.pop(LIMIT, None)
    if given is not None:
        environment[LIMIT] = str(given)
    return given
