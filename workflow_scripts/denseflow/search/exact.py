"""The exact score of a query and a passage: float64 sums, rounded to float32."""

import numpy as np

SIMILARITIES = ("dot", "cosine")


def norms(vectors: np.ndarray) -> np.ndarray:
    """float64, shape (n,)."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))


def exact_scores(query: np.ndarray, vectors: np.ndarray, *, cosine: bool) -> np.ndarray:
    """The scores of passages for one query, the same whatever else is scored beside them.

    Args:
        query: Shape (dimensions,).
        vectors: Shape (n, dimensions).
        cosine: Whether both are brought to length 1 before (a zero vector scores 0), or the inner product is meant.

    Returns:
        float32, shape (n,).
    """
    vectors = vectors.astype(np.float64)
    scores = (vectors * query.astype(np.float64)).sum(axis=1)
    if cosine:
        lengths = norms(vectors) * norms(query[np.newaxis])
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
    return scores.astype(np.float32)
