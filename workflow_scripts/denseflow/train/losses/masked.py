"""Softmax and mean over some entries of a [Q, P] matrix."""

import torch
import torch.nn.functional as F
from torch import Tensor


def contrast(positives: Tensor, others: Tensor, negatives: Tensor, *, dim: int = 1) -> Tensor:
    """The cross-entropy of each entry as the positive, against the negatives of its row or column.

    Entry (i, j) is -log( exp(positives_ij) / (exp(positives_ij) + sum_k exp(others_ik)) ), k over the negatives of
    row i, or with ``dim`` 0 the same over column j. Where there is no negative, it is 0 and has no gradient.

    Args:
        positives: [Q, P] logits.
        others: [Q, P'] logits; with ``dim`` 0 [Q', P].
        negatives: Bool, of the shape of ``others``: which of them are in the sum.
        dim: 1 for rows, 0 for columns.
    """
    # The lowest number stands for minus infinity: its exponential is 0 too, and no gradient becomes NaN.
    lowest = torch.finfo(others.dtype).min
    return F.softplus(others.masked_fill(~negatives, lowest).logsumexp(dim, keepdim=True) - positives)


def mean_by_query(values: Tensor, taken: Tensor) -> Tensor:
    """The mean over the queries of each one's mean over its taken values, so that each query weighs the same.

    A query without any taken value counts nothing; without any query the mean is 0, and has a gradient of 0.

    Args:
        values: [Q, P], finite wherever a gradient shall be.
        taken: [Q, P] bool.
    """
    counts = taken.sum(1)
    means = values.masked_fill(~taken, 0).sum(1) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)
