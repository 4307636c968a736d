"""The machines that Slurm has assigned to this job together, and a torchrun on each of them."""

import subprocess
from collections.abc import Mapping

from denseflow.errors import DenseflowError


def assigned_machines(environment: Mapping[str, str]) -> list[str]:
    """The names of the job's machines, this one first; none outside of Slurm.

    Args:
        environment: The variables of the process. Snakemake takes the list of machines from its jobs and leaves the
            job's number.
    """
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        return []
    listed = environment.get("SLURM_JOB_NODELIST") or _said("squeue", "--noheader", f"--jobs={job}", "--format=%N")
    return _said("scontrol", "show", "hostnames", listed).split()


def srun_command(nodes: int, *, machines: list[str], threads: int, gpus: int) -> list[str]:
    """What stands before a command so that it runs once on each machine.

    Args:
        nodes: How many machines the training was told to use.
        machines: Those that Slurm has assigned.
        threads: For each of them.
        gpus: For each of them.

    Raises:
        DenseflowError: Slurm has not assigned as many.
    """
    if len(machines) < nodes:
        raise DenseflowError(
            f"run.nodes: {nodes}, but Slurm has assigned {len(machines)} machines to this job; run the workflow with "
            "the profile for Slurm, or set run.nodes to 1"
        )
    places = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    share = [f"--cpus-per-task={threads}", *([f"--gpus-per-node={gpus}"] if gpus else [])]
    return ["srun", "--overlap", "--kill-on-bad-exit=1", *places, *share]


def meeting(nodes: int, *, job: str, host: str) -> list[str]:
    """torchrun's options by which the machines find each other; the job's number decides the port."""
    endpoint = f"{host}:{29400 + int(job) % 10000}"
    return ["--nnodes", str(nodes), "--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", job]


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
