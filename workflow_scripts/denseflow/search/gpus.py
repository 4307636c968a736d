"""FAISS on GPUs, where some were granted: leased, so that no other job has them."""

import os
import shutil
import subprocess
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from denseflow.errors import DenseflowError
from denseflow.leases import VISIBLE, GpuFacts, assigns, find_assigned, find_hardware, lease_found_gpus

BLOCK_ROWS = 2**18
"""Passages compared in one piece on GPUs."""
_MOST = 2048
"""As many results a query as a GPU can give, and as many lists as it can read."""
_PARTS = (1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48)
"""Parts of 8 bits that a product-quantised code may have there (FAISS, GpuIndexIVFPQ), by a GPU's 48 KiB of memory."""
_ORDER = "CUDA_DEVICE_ORDER"
_FAISS: Any = faiss  # whose types know nothing of GPUs


@dataclass(frozen=True)
class FaissFacts(GpuFacts):
    """What is known about GPUs on this machine and in FAISS."""

    def unusable(self) -> str:
        """Why FAISS cannot use a GPU that is there, and what to do."""
        return (
            f"FAISS cannot use it: {self.reason}. Install faiss-gpu for the driver's CUDA (`make GPU=1` or, with --sdm "
            "conda, `environments: gpu` in config/config.yaml), or search on the CPU with --resources gpu=0 or `run."
            "search_gpus: 0` in the dataset's file"
        )


def lease_for_faiss(
    granted_gpus: int,
    *,
    facts: FaissFacts | None = None,
    environment: MutableMapping[str, str] | None = None,
    leases: Path | None = None,
) -> int:
    """Lease as many GPUs as were granted until the process ends, hide the others, and see whether FAISS has them.

    Args:
        granted_gpus: What the workflow granted; 0 means the CPU, whatever the machine has.
        facts: What is known about GPUs; None: find out.
        environment: The variables of the process; None: ``os.environ``.
        leases: The folder of the lock files; None: the one that all jobs on the machine share.

    Returns:
        How many were leased; 0 where the machine has none, which is said.

    Raises:
        DenseflowError: The machine has a GPU, or a scheduler assigned one, and FAISS cannot use it.
    """
    if granted_gpus < 1:
        return 0
    environment = os.environ if environment is None else environment
    facts = find_faiss_facts(environment) if facts is None else facts
    environment[_ORDER] = "PCI_BUS_ID"  # that of nvidia-smi, by which the GPUs are known here
    count = lease_found_gpus(granted_gpus, facts, environment=environment, leases=leases)
    if count and (seen := _FAISS.get_num_gpus()) < count:
        facts = FaissFacts(facts.hardware, facts.assigned, (), f"it sees {seen} of the {count} that are leased")
        raise DenseflowError(f"a GPU was granted and there is one, but {facts.unusable()}")
    return count


def find_faiss_facts(environment: Mapping[str, str], root: Path = Path("/")) -> FaissFacts:
    """Find out what is known about GPUs, without touching CUDA in this process.

    Args:
        environment: The variables of the process.
        root: Where ``dev`` and ``proc`` are.
    """
    devices: list[str] = []
    if not hasattr(faiss, "StandardGpuResources"):
        reason = f"{_package()} is a build without GPUs"
    else:
        devices, reason = _list_gpus(environment)
    return FaissFacts(find_hardware(root), find_assigned(environment), devices, reason)


def visible_gpus(uuids: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Which of a machine's GPUs, listed in the order of their places, a process may see."""
    if VISIBLE not in environment:
        return list(uuids)
    names = [name.strip() for name in environment[VISIBLE].split(",") if assigns(name)]
    by_name = {**{str(place): uuid for place, uuid in enumerate(uuids)}, **{uuid: uuid for uuid in uuids}}
    return [by_name[name] for name in names if name in by_name]


def beyond_gpus(options: Mapping[str, Any], results: int) -> str | None:
    """What of a search in an index FAISS's GPUs cannot do; None where they can do it.

    Args:
        options: Of the index and of the search, as in the configuration.
        results: As many as are asked for a query.
    """
    if results > _MOST:
        return f"{results} candidates a query are asked for, and a GPU gives {_MOST}"
    if options.get("nprobe", 0) > _MOST:
        return f"`index.nprobe` is {options['nprobe']}, and a GPU reads {_MOST} lists"
    if options["type"] == "ivf_pq" and (options["bits"] != 8 or options["m"] not in _PARTS):
        return f"codes of `m: {options['m']}` and `bits: {options['bits']}` cannot be read by a GPU"
    return None


def on_gpus(index: faiss.Index, gpus: int) -> Any:
    """A copy of an index, spread over the first ``gpus`` GPUs that the process sees."""
    options = _FAISS.GpuMultipleClonerOptions()
    options.shard = True
    return _FAISS.index_cpu_to_gpus_list(index, options, list(range(gpus)))


def search_block(gpus: int, queries: np.ndarray, block: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The scores and rows of the ``count`` passages of a block nearest to each query, on GPUs."""
    flat: Any = faiss.IndexFlatIP(block.shape[1])
    flat.add(block)
    return (on_gpus(flat, gpus) if count <= _MOST else flat).search(queries, count)


def on_device(gpus: int) -> dict[str, Any]:
    """What :func:`denseflow.search.flat.search` is told where GPUs compare the passages."""
    return {"block_rows": BLOCK_ROWS, "block_search": partial(search_block, gpus)} if gpus else {}


def _list_gpus(environment: Mapping[str, str]) -> tuple[list[str], str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return [], "nvidia-smi, which says which GPUs there are, is not installed"
    done = subprocess.run(
        [command, "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return [], f"nvidia-smi says: {(done.stderr or done.stdout).strip() or f'exit code {done.returncode}'}"
    found = visible_gpus(done.stdout.split(), environment)
    # torch, with which the leases are shared, names a GPU without this.
    return [uuid.removeprefix("GPU-") for uuid in found], "" if found else f"{VISIBLE} hides every GPU"


def _package() -> str:
    for name in ("faiss-gpu", "faiss-cpu"):
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return "the installed FAISS"
