"""Sparse vectors, a row a text and a column a term: SciPy's matrices in memory, .npy files of their entries on disk."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, vstack

ENTRY = np.dtype([("row", "<i4"), ("column", "<i4"), ("value", "<f4")])
"""An entry of a file: a row's place in it, a term's number, and the weight, which is not 0."""


def to_entries(vectors: csr_array) -> np.ndarray:
    """The entries of a matrix, :data:`ENTRY`, by row and then by column."""
    vectors.sort_indices()
    entries = np.empty(vectors.nnz, dtype=ENTRY)
    entries["row"] = np.repeat(np.arange(vectors.shape[0], dtype=np.int32), np.diff(vectors.indptr))
    entries["column"], entries["value"] = vectors.indices, vectors.data
    return entries


def from_entries(entries: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """The matrix of entries, float32.

    Raises:
        ValueError: They are not sorted, or beyond ``shape``.
    """
    rows, columns = entries["row"], np.ascontiguousarray(entries["column"])
    starts = np.searchsorted(rows, np.arange(shape[0] + 1))
    if len(entries) and (rows[0] < 0 or rows[-1] >= shape[0] or (np.diff(rows) < 0).any()):
        raise ValueError(f"rows that are not sorted, or beyond {shape[0]}")
    matrix = csr_array((np.ascontiguousarray(entries["value"]), columns, starts), shape=shape)
    matrix.check_format()
    return matrix


def from_dense(vectors: np.ndarray) -> csr_array:
    """The matrix of a dense one, float32; its zeros go."""
    rows, columns = np.nonzero(vectors)
    starts = np.searchsorted(rows, np.arange(len(vectors) + 1))
    values = vectors[rows, columns].astype(np.float32, copy=False)
    return csr_array((values, columns.astype(np.int32), starts), shape=vectors.shape)


def stack(pieces: Sequence[csr_array], width: int) -> csr_array:
    """One matrix of the rows of several, all of ``width`` columns."""
    if not pieces:
        return csr_array((0, width), dtype=np.float32)
    return csr_array(vstack(pieces, format="csr", dtype=np.float32))


def finite_rows(vectors: csr_array) -> np.ndarray:
    """Bool, shape (rows,): whether all of a row's entries are finite."""
    finite = np.ones(vectors.shape[0], dtype=bool)
    rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    finite[rows[~np.isfinite(vectors.data)]] = False
    return finite
