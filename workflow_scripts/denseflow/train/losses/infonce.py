"""InfoNCE: the softmax cross-entropy of the positive among the passages of the batch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from denseflow.train.losses.targets import Targets


@dataclass(frozen=True)
class InfoNCE:
    """The contrastive loss of dense retrieval, over in-batch and hard negatives.

    For query i with positive p(i), candidates C(i), similarity s and temperature t::

        loss = -1/Q sum_i log( exp(s(i, p(i)) / t) / sum_{j in C(i)} exp(s(i, j) / t) )

    C(i) holds p(i) and the passages of the batch that are not known to be relevant for i; without
    ``in_batch_negatives``, only those of them that were drawn for i. A passage outside C(i) gets the logit minus
    infinity, so that it takes no share of the softmax (a logit of 0 would).

    With ``every_positive`` a query learns from each of its positives P(i) that is in the batch, against the same
    negatives, by the mean over p in P(i) of the loss above with p in the place of p(i). Take it where queries have many
    positives, as in batches by passage.

    Sources: van den Oord et al. 2018 (https://arxiv.org/abs/1807.03748), equation 4; with in-batch and hard
    negatives: Karpukhin et al. 2020 (https://arxiv.org/abs/2004.04906), equation 2.

    Attributes:
        temperature: t, divides every similarity; above 0.
        in_batch_negatives: Whether the passages drawn for the other queries of the batch are negatives too.
        similarity: The encoder's: ``dot``, or ``cosine`` (which are the same where vectors have length 1).
        every_positive: Whether all positives of a query in the batch count, or only the one drawn for it.
    """

    temperature: float
    in_batch_negatives: bool = True
    similarity: str = "cosine"
    every_positive: bool = False

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the queries; see :class:`denseflow.train.losses.targets.Loss`."""
        precision = torch.promote_types(queries.dtype, torch.float32)
        queries, passages = queries.to(precision), passages.to(precision)
        if self.similarity == "cosine":
            queries, passages = F.normalize(queries, dim=-1), F.normalize(passages, dim=-1)
        logits = queries @ passages.T / self.temperature
        excluded = self.excluded(targets)
        if not self.every_positive:
            return F.cross_entropy(logits.masked_fill(excluded, -torch.inf), targets.positive)
        positives = targets.positives.scatter(1, targets.positive[:, None], value=True)
        # The lowest number stands for minus infinity: a query without any negative has a loss and a gradient of 0.
        negatives = logits.masked_fill(excluded | positives, torch.finfo(logits.dtype).min).logsumexp(1, keepdim=True)
        losses = F.softplus(negatives - logits) * positives
        return (losses.sum(1) / positives.sum(1)).mean()

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """``masked_negatives``: the share of would-be negatives that are known to be relevant."""
        masked = (self.excluded(targets) & targets.relevant).sum()
        return {"masked_negatives": float(masked) / max(targets.drawn.numel() - len(targets.drawn), 1)}

    def excluded(self, targets: Targets) -> Tensor:
        """[Q, P] bool: the passages that are no candidates of a query."""
        excluded = targets.relevant if self.in_batch_negatives else targets.relevant | ~targets.drawn
        return excluded.scatter(1, targets.positive[:, None], value=False)
