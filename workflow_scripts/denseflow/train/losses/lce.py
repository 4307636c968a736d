"""LCE: the softmax cross-entropy of the positive among the negatives drawn for its query, for cross-encoders."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from denseflow.train.losses.pairs import scores_by_query


@dataclass(frozen=True)
class LocalizedContrastive:
    """The localized contrastive loss of rerankers.

    For query q with positive p(q), the group G(q) of p(q) and the negatives drawn for q, and the cross-encoder's
    score s::

        loss = -1/Q sum_q log( exp(s(q, p(q))) / sum_{d in G(q)} exp(s(q, d)) )

    The negatives should be what the first stage ranks high, so that the cross-encoder learns to tell these apart; the
    paper takes 7 a query. There are no in-batch negatives: each would be a pair to score.

    Source: Gao et al. 2021, "Rethink Training of BERT Rerankers in Multi-Stage Retrieval Pipeline"
    (https://arxiv.org/abs/2101.08751), equations 3 and 4. It is sentence-transformers' ``MultipleNegativesRankingLoss``
    for cross-encoders with hard negatives alone, without its sigmoid and scale.
    """

    def __call__(self, scores: Tensor, places: Tensor) -> Tensor:
        """The mean loss over the queries; see :class:`denseflow.train.losses.pairs.PairLoss`."""
        table = scores_by_query(scores, places)
        return F.cross_entropy(table, torch.zeros(len(table), dtype=torch.int64, device=table.device))
