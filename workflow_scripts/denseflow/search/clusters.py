"""Spherical k-means (Dhillon and Modha, 2001): the centroids of an index's lists.

FAISS has it too, but another number of threads gives another sum there, and so other lists. Here the work is cut into
pieces of a fixed size, so that the centroids do not depend on the threads.
"""

from functools import partial

import numpy as np

from denseflow.search.comparable import divided
from denseflow.search.exact import norms
from denseflow.search.parallel import in_order, single_blas

SEED = 0
_ITERATIONS = 10
_ROWS = 1024
"""Vectors compared with all centroids at once."""


def spherical_kmeans(sample: np.ndarray, count: int, threads: int) -> np.ndarray:
    """Directions that the vectors' directions gather around.

    Args:
        sample: float32, shape (n, dimensions), n at least ``count``; its scale does not matter, but longer vectors
            weigh more.
        count: How many.
        threads: The result does not depend on it.

    Returns:
        float32, shape (count, dimensions), of length 1.
    """
    chosen = np.sort(np.random.default_rng(SEED).choice(len(sample), count, replace=False))
    centroids = divided(sample[chosen], norms(sample[chosen]))
    for _ in range(_ITERATIONS):
        pieces = (sample[start : start + _ROWS] for start in range(0, len(sample), _ROWS))
        with single_blas():
            found = list(in_order(partial(assign, centroids=centroids), pieces, threads))
        lists, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(lists, kind="stable")
        filled, starts = np.unique(lists[order], return_index=True)
        sums = np.add.reduceat(sample[order], starts, axis=0)
        empty = np.setdiff1d(np.arange(count), filled)
        centroids[filled] = divided(sums, norms(sums))
        if len(empty):  # they get the vectors that are worst off
            worst = sample[np.argsort(scores, kind="stable")[: len(empty)]]
            centroids[empty] = divided(worst, norms(worst))
    return centroids


def assign(vectors: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centroid of each vector by inner product (int64), and this product (float32).

    To be called within :func:`denseflow.search.parallel.single_blas`.
    """
    lists, best = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _ROWS):
        scores = vectors[start : start + _ROWS] @ centroids.T
        some = slice(start, start + len(scores))
        lists[some] = scores.argmax(axis=1)
        best[some] = np.take_along_axis(scores, lists[some, np.newaxis], axis=1)[:, 0]
    return lists, best
