"""The device that a job computes on: decided by what was granted, leased so that two jobs never share a GPU."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import torch

from denseflow.leases import VISIBLE, GpuFacts, assigns, find_assigned, find_hardware, lease_found_gpus

# Asked in a process of its own: once this one has touched CUDA, it can no longer be limited to one device.
_PROBE = """
import json, torch
devices, reason = [], ""
try:
    torch.cuda.init()
    devices = [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]
except Exception as error:
    reason = str(error).splitlines()[0]
print(json.dumps([devices, reason]))
"""


@dataclass(frozen=True)
class Facts(GpuFacts):
    """What is known about GPUs on this machine and in torch.

    Attributes:
        torch_cuda: The CUDA version that torch was built for; None for a build without CUDA.
    """

    torch_cuda: str | None = None

    def unusable(self) -> str:
        """Why torch cannot use a GPU that is there, and what to do."""
        build = "is a build without CUDA" if self.torch_cuda is None else f"is built for CUDA {self.torch_cuda}"
        return (
            f"torch cannot use it: torch {torch.__version__} {build}; it says: {self.reason or 'nothing'}. Install a "
            "torch that fits the driver (nvidia-smi shows its version; `make GPU=1` or, with --sdm conda, "
            "`environments: gpu` in config/config.yaml), or compute on the CPU with --resources gpu=0"
        )


def choose_device(
    granted_gpus: int,
    *,
    facts: Facts | None = None,
    environment: MutableMapping[str, str] | None = None,
    leases: Path | None = None,
) -> str:
    """The device for a job that was granted so many GPUs: ``cpu``, or ``cuda`` for a GPU of its own.

    The GPU is leased until the process ends, and is the only one that the process sees from now on; so call this
    before anything else touches CUDA.

    Args:
        granted_gpus: What the workflow granted; 0 means the CPU, whatever the machine has.
        facts: What is known about GPUs; None: find out.
        environment: The variables of the process; None: ``os.environ``.
        leases: The folder of the lock files; None: the one that all jobs on the machine share.

    Raises:
        DenseflowError: The machine has a GPU, or a scheduler assigned one, and torch cannot use it.
    """
    leased = lease_gpus(min(granted_gpus, 1), facts=facts, environment=environment, leases=leases)
    return "cuda" if leased else "cpu"


def lease_gpus(
    granted_gpus: int,
    *,
    facts: Facts | None = None,
    environment: MutableMapping[str, str] | None = None,
    leases: Path | None = None,
) -> int:
    """Lease as many GPUs as were granted until the process ends, and hide all others from it and its children.

    Args:
        granted_gpus: What the workflow granted; 0 means the CPU, whatever the machine has.
        facts: What is known about GPUs; None: find out.
        environment: The variables of the process; None: ``os.environ``.
        leases: The folder of the lock files; None: the one that all jobs on the machine share.

    Returns:
        How many were leased: all that the machine has where more were granted, and 0 where it has none.

    Raises:
        DenseflowError: The machine has a GPU, or a scheduler assigned one, and torch cannot use it.
    """
    if granted_gpus < 1:
        return 0
    environment = os.environ if environment is None else environment
    facts = find_facts(environment) if facts is None else facts
    return lease_found_gpus(granted_gpus, facts, environment=environment, leases=leases)


def find_facts(environment: Mapping[str, str], root: Path = Path("/")) -> Facts:
    """Find out what is known about GPUs.

    Args:
        environment: The variables of the process.
        root: Where ``dev`` and ``proc`` are.
    """
    devices, reason = _probe()
    if not devices and VISIBLE in environment and not assigns(environment[VISIBLE]):
        reason = f"{VISIBLE}={environment[VISIBLE]!r} hides every GPU; {reason}"
    return Facts(
        hardware=find_hardware(root),
        assigned=find_assigned(environment),
        devices=devices,
        torch_cuda=torch.version.cuda,
        reason=reason,
    )


def set_threads(threads: int) -> None:
    """Compute with so many threads, in torch and in the tokenizers."""
    torch.set_num_threads(threads)
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"


def make_deterministic() -> None:
    """Ask torch for the same result each time, and for a warning where an operation has no such form.

    Call it before the first CUDA operation: cuBLAS reads its variable once.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Or every empty tensor is filled with NaN first.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def _probe() -> tuple[list[str], str]:
    """The identities of the devices that torch can use, or what it says for want of one."""
    if torch.version.cuda is None:
        return [], "Torch not compiled with CUDA enabled"
    done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return [], done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    devices, reason = json.loads(done.stdout.splitlines()[-1])
    return devices, reason
