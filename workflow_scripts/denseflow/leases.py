"""Which GPUs a job has: leased, so that two jobs never share one, and hidden from it where they are not its own."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from denseflow.errors import DenseflowError

LOG = logging.getLogger("denseflow")

VISIBLE = "CUDA_VISIBLE_DEVICES"
ASSIGNMENTS = (VISIBLE, "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
"""Variables by which a scheduler or a user assigns GPUs to a process."""

RUN = "DENSEFLOW_RUN"
"""The variable by which the workflow tells its jobs apart from another run's."""

SHARED = (Path("/dev/shm"), Path("/tmp"))
"""Folders that are the same for all users and jobs of a machine, whatever TMPDIR says. SLURM or conda may change it."""

KEPT_HOURS = 24 * 7
"""A note that a run has said something is removed after so long, by the next run that has something to say."""


@dataclass(frozen=True)
class GpuFacts:
    """What is known about GPUs on this machine and in the library that shall use them.

    Attributes:
        hardware: Files by which the driver shows a GPU, such as /dev/nvidia0.
        assigned: Variables that assign GPUs to this process, with their values.
        devices: An identity for each GPU that the library can use, in its order, the same in all processes.
        reason: What the library says when it is asked for a GPU and has none.
    """

    hardware: Sequence[str] = ()
    assigned: Mapping[str, str] = field(default_factory=dict)
    devices: Sequence[str] = ()
    reason: str = ""

    def unusable(self) -> str:
        """Why the library cannot use a GPU that is there, and what to do."""
        return self.reason


def find_hardware(root: Path = Path("/")) -> list[str]:
    """Files by which the driver shows GPUs, in ``dev`` and ``proc`` below ``root``."""
    return sorted(str(path) for path in [*root.glob("dev/nvidia[0-9]*"), *root.glob("proc/driver/nvidia/gpus/*")])


def find_assigned(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that assign GPUs to a process, with their values."""
    return {name: environment[name] for name in ASSIGNMENTS if assigns(environment.get(name, ""))}


def assigns(value: str) -> bool:
    """Whether a variable's value names a GPU."""
    return value.strip() not in ("", "-1", "NoDevFiles")


def lease_found_gpus(
    granted_gpus: int,
    facts: GpuFacts,
    *,
    environment: MutableMapping[str, str] | None = None,
    leases: Path | None = None,
) -> int:
    """Lease as many GPUs as were granted until the process ends, and hide all others from it and its children.

    Args:
        granted_gpus: What the workflow granted, at least 1.
        facts: What is known about GPUs.
        environment: The variables of the process; None: ``os.environ``.
        leases: The folder of the lock files; None: :func:`shared_folder`.

    Returns:
        How many were leased: all that the machine has where more were granted, and 0 where it has none.

    Raises:
        DenseflowError: The machine has a GPU, or a scheduler assigned one, and the library cannot use it.
    """
    environment = os.environ if environment is None else environment
    if facts.devices:
        count = min(granted_gpus, len(facts.devices))
        if count < granted_gpus:
            LOG.warning("%d GPUs were granted, and %d can be used here; using these", granted_gpus, count)
        places = lease(facts.devices, shared_folder() if leases is None else leases, count)
        visible = environment.get(VISIBLE, "")
        names = visible.split(",") if visible.strip() else [str(place) for place in range(len(facts.devices))]
        environment[VISIBLE] = ",".join(names[place].strip() for place in places)
        return count
    if not facts.hardware and not facts.assigned:
        first = _first_time(environment.get(RUN), Path(tempfile.gettempdir()) / f"denseflow-{os.getuid()}")
        LOG.log(
            logging.WARNING if first else logging.INFO,
            "NO GPU: a GPU was granted (--resources gpu=%d), but this machine has none. Computing on the CPU, which "
            "is slower; --resources gpu=0 says so from the start.",
            granted_gpus,
        )
        return 0
    found = [*facts.hardware, *(f"{name}={value}" for name, value in facts.assigned.items())]
    raise DenseflowError(f"a GPU was granted and there is one ({', '.join(found)}), but {facts.unusable()}")


def shared_folder() -> Path:
    """The folder of the lock files: in the first of :data:`SHARED` that can be written to, so that all jobs meet there.

    Jobs see each other's locks where they see the same folder: a container or a job whose /dev/shm and /tmp are its own
    does not see those outside, and needs GPUs of its own (CUDA_VISIBLE_DEVICES).
    """
    for folder in SHARED:
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder / "denseflow-gpus"
    return Path(tempfile.gettempdir()) / "denseflow-gpus"


def _first_time(run: str | None, folder: Path) -> bool:
    """Whether no job of this run of the workflow has said it on this machine; ``folder`` holds a note of each run."""
    if run is None:
        return True
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{run}-no-gpu").touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:  # no note can be made; said twice is better than not at all
        return True
    for note in folder.glob("*-no-gpu"):
        with suppress(OSError):  # another job may remove it too
            if time.time() - note.stat().st_mtime > 3600 * KEPT_HOURS:
                note.unlink()
    return True


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
