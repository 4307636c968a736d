"""InfoNCE: the softmax cross-entropy of the positive among the passages of the batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from denseflow.train.losses.masked import contrast, mean_by_query
from denseflow.train.losses.similarity import similarities
from denseflow.train.losses.targets import Targets


@dataclass(frozen=True)
class InfoNCE:
    """The contrastive loss of dense retrieval, over in-batch and hard negatives.

    For query i with positive p(i), negatives N(i), similarity s, temperature t and margin m::

        loss = -1/Q sum_i log( e(i) / (e(i) + sum_{j in N(i)} exp(s(i, j) / t)) ),  e(i) = exp((s(i, p(i)) - m) / t)

    N(i) holds the passages of the batch that are not known to be relevant for i; without ``in_batch_negatives``, only
    those of them that were drawn for i (hard negatives only). What is outside N(i) takes no share of the softmax.

    With ``every_positive`` a query learns from each of its positives P(i) that is in the batch, against the same
    negatives, by the mean over p in P(i) of the loss above with p in the place of p(i). Take it where queries have many
    positives, as in batches by passage.

    With ``symmetric`` each positive must also find its query: the loss is the mean of the one above and of::

        -1/Q sum_i log( e(i) / (e(i) + sum_k exp(s(k, p(i)) / t)) ),  k over the queries p(i) is not known relevant for

    When to use it: always first. It needs only judged queries, and gains from large batches and from hard negatives.
    ``symmetric`` suits data in which a query is as good a name of the passage as the passage is of the query (titles,
    questions that were generated from the passage). A margin of 0.1 to 0.2 asks for more than the right order, where
    similarity is the cosine.

    Sources: van den Oord et al. 2018 (https://arxiv.org/abs/1807.03748), equation 4; with in-batch and hard
    negatives: Karpukhin et al. 2020 (https://arxiv.org/abs/2004.04906), equation 2; symmetric: Radford et al. 2021
    (https://arxiv.org/abs/2103.00020), figure 3; additive margin: Yang et al. 2019 (https://arxiv.org/abs/1902.08564),
    as PaddleNLP has it, which takes it off with in-batch negatives only.

    sentence-transformers: ``MultipleNegativesRankingLoss`` with scale 1 / t, and with ``symmetric`` its
    ``directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"``, where no passage comes twice and
    none is known to be relevant for two queries; it has neither masks nor a margin.

    Attributes:
        temperature: t, divides every similarity; above 0.
        in_batch_negatives: Whether the passages drawn for the other queries of the batch are negatives too.
        similarity: The encoder's: ``dot`` or ``cosine``.
        every_positive: Whether all positives of a query in the batch count, or only the one drawn for it.
        symmetric: Whether positives must find their queries, too.
        margin: m, taken from the positive's similarity before the division; 0 or above.
    """

    temperature: float
    in_batch_negatives: bool = True
    similarity: str = "cosine"
    every_positive: bool = False
    symmetric: bool = False
    margin: float = 0.0

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the queries; see :class:`denseflow.train.losses.targets.Loss`."""
        scores = similarities(queries, passages, self.similarity)
        logits, positives = scores / self.temperature, (scores - self.margin) / self.temperature
        losses = contrast(positives, logits, targets.negatives(self.in_batch_negatives))
        if self.symmetric:
            losses = (losses + contrast(positives, logits, targets.negatives(in_batch=True), dim=0)) / 2
        of = targets.positives if self.every_positive else torch.zeros_like(targets.positives)
        return mean_by_query(losses, of.scatter(1, targets.positive[:, None], value=True))

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """``masked_negatives``: the share of would-be negatives that are known to be relevant."""
        return {"masked_negatives": targets.masked_share(self.in_batch_negatives)}
