"""The triplet loss: a positive must be more similar than each negative, by a margin."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from denseflow.train.losses.masked import mean_by_query
from denseflow.train.losses.similarity import similarities
from denseflow.train.losses.targets import Targets


@dataclass(frozen=True)
class Triplet:
    """The hinge loss of query, positive and negative.

    For query i with positive p(i), negatives N(i), similarity s and margin m, the mean over i of::

        1/|N(i)| sum_{j in N(i)} max(0, m - s(i, p(i)) + s(i, j))

    N(i) is the one of :class:`denseflow.train.losses.infonce.InfoNCE`: not known to be relevant for i, and drawn for i
    where ``in_batch_negatives`` is off. A query without negatives counts nothing.

    When to use it: to compare with older work, or where only the order at the margin shall be learned and what is
    right already shall be left alone. Its gradient comes from the negatives within the margin only (the log's
    ``active_negatives``), each weighing the same; InfoNCE, which weighs hard negatives more, is nearly always better.

    Source: Schroff et al. 2015 (https://arxiv.org/abs/1503.03832), section 3.1, there with squared Euclidean distances.

    sentence-transformers: ``TripletLoss`` has distances d where this has similarities, max(0, m + d(i, p) - d(i, n)),
    of one negative. With its cosine distance, 1 - s, the two are equal; its default is the Euclidean distance and a
    margin of 5, which vectors of length 1 can never reach.

    Attributes:
        margin: m, in units of the similarity; above 0.
        in_batch_negatives: Whether the passages drawn for the other queries of the batch are negatives too.
        similarity: The encoder's: ``dot`` or ``cosine``.
    """

    margin: float
    in_batch_negatives: bool = True
    similarity: str = "cosine"

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the queries; see :class:`denseflow.train.losses.targets.Loss`."""
        return mean_by_query(self._hinges(queries, passages, targets), targets.negatives(self.in_batch_negatives))

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """``masked_negatives``, and ``active_negatives``, the share of negatives that are within the margin."""
        active = (self._hinges(queries, passages, targets) > 0).float()
        return {
            "masked_negatives": targets.masked_share(self.in_batch_negatives),
            "active_negatives": mean_by_query(active, targets.negatives(self.in_batch_negatives)).item(),
        }

    def _hinges(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        scores = similarities(queries, passages, self.similarity)
        return F.relu(self.margin - scores.gather(1, targets.positive[:, None]) + scores)
