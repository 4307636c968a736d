"""The exact score of a query and a passage: float64 sums, rounded to float32."""

import numpy as np

SIMILARITIES = ("dot", "cosine")


def norms(vectors: np.ndarray) -> np.ndarray:
    """float64, shape (n,); the same whatever other rows there are."""
    return _norms(vectors.astype(np.float64))


def exact_scores(query: np.ndarray, vectors: np.ndarray, *, cosine: bool) -> np.ndarray:
    """The scores of passages, the same whatever else is scored beside them.

    Args:
        query: Shape (dimensions,), for all passages, or (n, dimensions), one a passage.
        vectors: Shape (n, dimensions).
        cosine: Whether both are brought to length 1 before (a zero vector scores 0), or the inner product is meant.

    Returns:
        float32, shape (n,).
    """
    vectors, queries = vectors.astype(np.float64), np.atleast_2d(query).astype(np.float64)
    scores = (vectors * queries).sum(axis=1)
    if cosine:
        lengths = _norms(vectors) * _norms(queries)
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
    return scores.astype(np.float32)


def _norms(vectors: np.ndarray) -> np.ndarray:
    # Row by row: einsum would cut the rows at places that depend on how many there are.
    return np.sqrt((vectors * vectors).sum(axis=1))
