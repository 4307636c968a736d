"""Passages' vectors as they are compared: checked, and of length 1 where the cosine is meant."""

from typing import NamedTuple

import numpy as np

from denseflow.search.exact import norms
from denseflow.search.vectors import Vectors, refuse_not_finite

_PLAIN = (1e-12, 1e18)
"""Lengths whose squares float32 can hold."""


class Comparable(NamedTuple):
    """A block of vectors that are all finite."""

    vectors: np.ndarray
    """float32, shape (rows, dimensions)."""
    longest: float
    """The greatest length among them."""
    zeros: int
    """How many have length 0."""


def comparable(vectors: Vectors, start: int, stop: int, *, cosine: bool) -> Comparable:
    """The rows from ``start`` to before ``stop``, scaled to length 1 for the cosine (zero stays zero).

    Raises:
        DenseflowError: A shard is missing or altered, or a vector is not finite.
    """
    block = vectors.between(start, stop)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block)).astype(np.float64)
    odd = np.flatnonzero(~((lengths > _PLAIN[0]) & (lengths < _PLAIN[1])))
    if len(odd):
        refuse_not_finite(vectors, block, start)
        lengths[odd] = norms(block[odd])
    zeros = int((lengths == 0).sum())
    if cosine:
        return Comparable(divided(block, lengths), 1.0, zeros)
    return Comparable(block, float(lengths.max(initial=0.0)), zeros)


def divided(vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Vectors of length 1, float32; zero stays zero."""
    lengths = lengths[:, np.newaxis]
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0, casting="same_kind")
