"""FAISS on GPUs, where some were granted: leased, so that no other job has them."""

import faiss
import numpy as np

BLOCK_ROWS = 2**18
"""Passages compared in one piece on GPUs."""
_MOST = 2048
"""As many results a query a GPU can give."""


def on_gpus(index: faiss.Index, gpus: int) -> faiss.Index:
    """A copy of an index, spread over the first ``gpus`` GPUs that the process sees."""
    options = faiss.GpuMultipleClonerOptions()
    options.shard = True
    return faiss.index_cpu_to_gpus_list(index, options, list(range(gpus)))


def search_block(gpus: int, queries: np.ndarray, block: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The scores and rows of the ``count`` passages of a block nearest to each query, on GPUs."""
    flat = faiss.IndexFlatIP(block.shape[1])
    flat.add(block)
    return (on_gpus(flat, gpus) if count <= _MOST else flat).search(queries, count)
