"""The device that a job computes on: decided by what was granted, leased so that two jobs never share a GPU."""

import fcntl
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from denseflow.errors import DenseflowError

LOG = logging.getLogger("denseflow")

VISIBLE = "CUDA_VISIBLE_DEVICES"
ASSIGNMENTS = (VISIBLE, "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
"""Variables by which a scheduler or a user assigns GPUs to a process."""

RUN = "DENSEFLOW_RUN"
"""The variable by which the workflow tells its jobs apart from another run's."""

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
class Facts:
    """What is known about GPUs on this machine and in torch.

    Attributes:
        hardware: Files by which the driver shows a GPU, such as /dev/nvidia0.
        assigned: Variables that assign GPUs to this process, with their values.
        devices: An identity for each CUDA device that torch can use, in torch's order.
        torch_cuda: The CUDA version that torch was built for; None for a build without CUDA.
        reason: What torch says when it is asked for CUDA and has none.
    """

    hardware: Sequence[str] = ()
    assigned: Mapping[str, str] = field(default_factory=dict)
    devices: Sequence[str] = ()
    torch_cuda: str | None = None
    reason: str = ""


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
        leases: The folder of the lock files; None: one in the temporary folder, shared by all users.

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
        leases: The folder of the lock files; None: one in the temporary folder, shared by all users.

    Returns:
        How many were leased: all that the machine has where more were granted, and 0 where it has none.

    Raises:
        DenseflowError: The machine has a GPU, or a scheduler assigned one, and torch cannot use it.
    """
    if granted_gpus < 1:
        return 0
    environment = os.environ if environment is None else environment
    temporary = Path(tempfile.gettempdir())
    facts = find_facts(environment) if facts is None else facts
    if facts.devices:
        count = min(granted_gpus, len(facts.devices))
        if count < granted_gpus:
            LOG.warning("%d GPUs were granted, and torch sees %d here; using these", granted_gpus, count)
        places = lease(facts.devices, temporary / "denseflow-gpus" if leases is None else leases, count)
        visible = environment.get(VISIBLE, "")
        names = visible.split(",") if visible.strip() else [str(place) for place in range(len(facts.devices))]
        environment[VISIBLE] = ",".join(names[place].strip() for place in places)
        return count
    if not facts.hardware and not facts.assigned:
        first = _first_time(environment.get(RUN), temporary)
        LOG.log(
            logging.WARNING if first else logging.INFO,
            "NO GPU: a GPU was granted (--resources gpu=%d), but this machine has none. Computing on the CPU, which "
            "is slower; --resources gpu=0 says so from the start.",
            granted_gpus,
        )
        return 0
    found = [*facts.hardware, *(f"{name}={value}" for name, value in facts.assigned.items())]
    build = "is a build without CUDA" if facts.torch_cuda is None else f"is built for CUDA {facts.torch_cuda}"
    raise DenseflowError(
        f"a GPU was granted and there is one ({', '.join(found)}), but torch cannot use it: torch {torch.__version__} "
        f"{build}; it says: {facts.reason or 'nothing'}. Install a torch that fits the driver (nvidia-smi shows its "
        "version; `make GPU=1` or, with --sdm conda, `environments: gpu` in config/config.yaml), or compute on the CPU "
        "with --resources gpu=0"
    )


def _first_time(run: str | None, folder: Path) -> bool:
    """Whether no job of this run of the workflow has said it on this machine."""
    if run is None:
        return True
    try:
        (folder / f"denseflow-{run}-no-gpu").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def find_facts(environment: Mapping[str, str], root: Path = Path("/")) -> Facts:
    """Find out what is known about GPUs.

    Args:
        environment: The variables of the process.
        root: Where ``dev`` and ``proc`` are.
    """
    hardware = [*root.glob("dev/nvidia[0-9]*"), *root.glob("proc/driver/nvidia/gpus/*")]
    devices, reason = _probe()
    if not devices and VISIBLE in environment and not _assigns(environment[VISIBLE]):
        reason = f"{VISIBLE}={environment[VISIBLE]!r} hides every GPU; {reason}"
    return Facts(
        hardware=sorted(str(path) for path in hardware),
        assigned={name: environment[name] for name in ASSIGNMENTS if _assigns(environment.get(name, ""))},
        devices=devices,
        torch_cuda=torch.version.cuda,
        reason=reason,
    )


def lease(
    devices: Sequence[str], folder: Path, count: int = 1, *, wait: Callable[[float], None] = time.sleep
) -> list[int]:
    """Lock ``count`` of ``devices`` for this process, waiting while too few are free, and return their places.

    Snakemake's own limit on GPUs is lost when ``--resources`` is given for something else, and does not reach from one
    Snakemake to another; the lock does. The operating system gives it back when the process ends, however it ends.

    Args:
        devices: An identity for each device, the same in all processes.
        folder: Where the lock files are.
        count: How many; at most as many as there are.
        wait: Sleeps for so many seconds.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)  # like the temporary folder itself: other users' jobs take leases here too
    said = False
    while True:
        locks: dict[int, int] = {}
        for place, device in enumerate(devices):
            handle = _try_lock(folder / f"{device}.lock") if len(locks) < count else None
            if handle is not None:
                locks[place] = handle
        if len(locks) == count:
            return list(locks)  # the handles stay open, and with them the locks, until the process ends
        for handle in locks.values():  # two jobs that each hold half of what they need would wait for ever
            os.close(handle)
        if not said:
            LOG.warning(
                "Of %d GPUs %d are needed and %d are free of other jobs of Denseflow; waiting",
                *(len(devices), count, len(locks)),
            )
            said = True
        wait(1.0)


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


def _assigns(value: str) -> bool:
    return value.strip() not in ("", "-1", "NoDevFiles")


def _try_lock(path: Path) -> int | None:
    """The open handle of a file that was free and is locked now, or None."""
    try:
        handle = os.open(path, os.O_RDONLY)  # enough for a lock, and allowed where another user made the file
    except FileNotFoundError:
        handle = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
