"""What the losses of a cross-encoder are told about a batch, and what they have in common."""

from typing import Protocol

import torch
from torch import Tensor


class PairLoss(Protocol):
    """A loss of a batch's pairs. It depends on the cross-encoder through the scores only."""

    def __call__(self, scores: Tensor, places: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            scores: [n] of the pairs of query and passage, in float32 or finer.
            places: [Q, C] the rows of ``scores`` that belong to each query, its positive's first; -1 where a query
                has fewer than C.
        """
        ...


def scores_by_query(scores: Tensor, places: Tensor) -> Tensor:
    """[Q, C] scores, the positive's first, and minus infinity where a query has no more pairs."""
    return scores[places.clamp(min=0)].masked_fill(places < 0, -torch.inf)


def pair_measures(scores: Tensor, places: Tensor) -> dict[str, float]:
    """``positive_first``: the share of queries whose positive scores higher than all negatives drawn for it."""
    table = scores_by_query(scores, places)
    first = table[:, 0] > table[:, 1:].amax(1) if table.shape[1] > 1 else torch.ones(len(table), dtype=torch.bool)
    return {"positive_first": float(first.float().mean())}
