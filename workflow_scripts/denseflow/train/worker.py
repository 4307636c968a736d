"""One of several processes that train a model together, as torchrun starts it.

python -m denseflow.train.worker FOLDER
"""

import fcntl
import logging
import os
import socket
import sys
import threading
import time
import traceback
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist

from denseflow.errors import DenseflowError
from denseflow.files import write_json
from denseflow.stage_log import log_to
from denseflow.train.job import LOCK, STOP, Job, error_file, output_file
from denseflow.train.processes import PeerLost, Processes

LONGEST_WAIT = timedelta(days=1)
"""As long as the first process may score or write while the others wait for it."""

# Variables from which transformers and accelerate would conclude that the distribution is theirs to do.
_HIDDEN = ("RANK", "WORLD_SIZE", "MASTER_", "LOCAL_", "GROUP_", "ROLE_", "TORCHELASTIC_", "PMI_", "OMPI_", "MV2_")


def main(folder: Path) -> int:
    """Do this process's part of the job in ``folder``; returns the exit code."""
    job = Job.read(folder)
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    if job.host == socket.gethostname():
        threading.Thread(target=_end_with_the_launcher, args=(folder / LOCK,), daemon=True).start()
    if rank > 0:
        _write_to(output_file(folder, rank))
    log_to(job.log if rank == 0 else None)
    try:
        processes = _join(f"cuda:{local_rank}" if job.device == "cuda" else "cpu", folder / STOP)
        module, name = job.function.split(":")
        function = getattr(import_module(module), name)
        function(**job.arguments, where=replace(job.where, processes=processes))
        dist.destroy_process_group()
    except BaseException as error:
        _leave_word(error, error_file(folder, rank))
        sys.stderr.flush()
        os._exit(1)  # an ordinary end may wait for the others
    return 0


def _join(device: str, stop_file: Path) -> Processes:
    """Meet the others, then hide from libraries that there are any."""
    on_gpu = device != "cpu"
    if on_gpu:
        torch.cuda.set_device(device)
    try:
        dist.init_process_group(
            "nccl" if on_gpu else "gloo", timeout=LONGEST_WAIT, device_id=torch.device(device) if on_gpu else None
        )
    except RuntimeError as error:
        raise PeerLost(str(error)) from error
    # It would tell the user to leave the distribution to it.
    logging.getLogger("transformers.training_args").setLevel(logging.ERROR)
    for name in list(os.environ):
        if name.startswith(_HIDDEN):
            del os.environ[name]
    return Processes(dist.get_rank(), dist.get_world_size(), device, stop_file)


def _leave_word(error: BaseException, path: Path) -> None:
    kind, text = "unexpected", traceback.format_exc()
    if isinstance(error, DenseflowError):
        kind, text = "told", str(error)
    elif isinstance(error, PeerLost):
        kind, text = "lost", str(error)
    write_json(path, {"kind": kind, "time": time.time(), "text": text})


def _write_to(path: Path) -> None:
    """Send all output of this process, its libraries' included, to a file."""
    with path.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def _end_with_the_launcher(lock: Path) -> None:
    """Wait for the lock that the launcher holds as long as it lives, and end this process then."""
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
