"""How losses compare vectors: as the encoder's contract says, in float32 or finer."""

import torch
import torch.nn.functional as F
from torch import Tensor


def similarities(queries: Tensor, passages: Tensor, similarity: str) -> Tensor:
    """[Q, P] similarities of [Q, d] and [P, d] vectors.

    Args:
        queries: Vectors of queries.
        passages: Vectors of passages.
        similarity: ``dot``, or ``cosine`` (which are the same where vectors have length 1).
    """
    # Autocast would multiply in half precision, which a temperature of 0.01 magnifies a hundredfold.
    with torch.autocast(queries.device.type, enabled=False):
        queries, passages = at_least_float32(queries), at_least_float32(passages)
        if similarity == "cosine":
            queries, passages = F.normalize(queries, dim=-1), F.normalize(passages, dim=-1)
        return queries @ passages.T


def at_least_float32(vectors: Tensor) -> Tensor:
    """The same vectors, half precision converted to float32."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))
