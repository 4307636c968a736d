"""Starts as many processes for a training as there are GPUs, or as were asked for, through torchrun."""

import fcntl
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import denseflow
from denseflow.device import lease_gpus
from denseflow.errors import DenseflowError
from denseflow.files import write_text
from denseflow.train import torchrun, worker
from denseflow.train.endings import why
from denseflow.train.interruption import StopRequest, stop_on_signal
from denseflow.train.job import LOCK, STOP, Job
from denseflow.train.machines import assigned_machines, meeting, srun_command
from denseflow.train.processes import Processes
from denseflow.train.where import Where

LOG = logging.getLogger("denseflow")

FOLDER = "launch"
SECONDS = 0.2
"""Between two looks at signals."""


def launch(
    function: Callable[..., Any],
    arguments: dict[str, Any],
    where: Where,
    work: Path,
    *,
    processes: int = 1,
    nodes: int = 1,
    log: str | None = None,
) -> None:
    """Call ``function(**arguments, where=where)`` here, or in each of several processes that train together.

    A process has a GPU of its own; without GPUs, as many processes as were asked for share the threads. What the
    result is does not depend on their number.

    Args:
        function: ``train`` or ``train_cross_encoder``: a function of a module, which takes plain values and paths.
        arguments: All its arguments but ``where``.
        where: What all processes of a machine may use together.
        work: The training's work folder, in which the processes meet; all machines must see it.
        processes: Processes a machine, where no GPU is used.
        nodes: Machines, of which this is the first; the scheduler has assigned all.
        log: The file of this process's log; the first process's goes there too.

    Raises:
        DenseflowError: What a process raised, or how it ended.
    """
    environment = dict(os.environ)
    gpus = lease_gpus(-(-where.granted_gpus // nodes))
    device = "cuda" if gpus else "cpu"
    count = gpus or processes
    if gpus and gpus != processes:
        LOG.info("training: run.processes is %d, but a process needs a GPU; there are %d", processes, gpus)
    if count * nodes == 1:
        function(**arguments, where=replace(where, processes=Processes(device=device)))
        return
    folder = work / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    threads = max(1, where.threads // count)
    name = f"{function.__module__}:{function.__name__}"
    Job(name, arguments, replace(where, threads=threads), device, socket.gethostname(), log).write(folder)
    if nodes == 1:
        environment = dict(os.environ)  # with the leased GPUs; on several machines the scheduler names each one's
    package = str(Path(denseflow.__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    environment["OMP_NUM_THREADS"] = str(threads)
    LOG.info("training: %d processes of %d threads on %s%s", count, threads, device, _machines(nodes))
    command = torchrun_command(
        folder, processes=count, nodes=nodes, threads=where.threads, gpus=gpus, environment=environment
    )
    with _held(folder / LOCK), stop_on_signal() as stop:
        code = _run(command, environment, stop, folder / STOP)
    if code != 0:
        raise DenseflowError(why(folder, count * nodes))


def torchrun_command(
    folder: Path, *, processes: int, nodes: int, threads: int, gpus: int, environment: Mapping[str, str]
) -> list[str]:
    """The command that starts torchrun, on several machines through Slurm's srun.

    Args:
        folder: Of the job.
        processes: A machine.
        nodes: Machines.
        threads: A machine.
        gpus: A machine.
        environment: Slurm's variables.

    Raises:
        DenseflowError: Several machines are asked for, and Slurm has not assigned as many.
    """
    options = ["--nproc-per-node", str(processes), "--max-restarts", "0"]
    program = ["-m", worker.__name__, str(folder)]
    start = [sys.executable, "-m", torchrun.__name__, str(folder)]
    if nodes == 1:
        return [*start, "--standalone", "--local-addr", "127.0.0.1", *options, *program]
    srun = srun_command(nodes, machines=assigned_machines(environment), threads=threads, gpus=gpus)
    place = meeting(nodes, job=environment["SLURM_JOB_ID"], host=socket.gethostname())
    return [*srun, *start, *place, *options, *program]


def _run(command: list[str], environment: dict[str, str], stop: StopRequest, stop_file: Path) -> int:
    """Run torchrun in a session of its own, so that a signal for this process is none for it, and pass on a stop."""
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        while True:
            try:
                return process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                if stop and not stop_file.exists():
                    write_text(stop_file, str(stop.number))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock, which the processes on this machine see, and end, when this process ends, however it ends."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _machines(nodes: int) -> str:
    return "" if nodes == 1 else f", on each of {nodes} machines"
