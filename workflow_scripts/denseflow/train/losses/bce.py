"""BCE: each pair of query and passage is relevant or not, for cross-encoders."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """The binary cross-entropy of a cross-encoder's scores, taken as log-odds of relevance.

    For the n pairs (q, d) of a batch, with y = 1 where d is the positive drawn for q and 0 where it is a negative::

        loss = -1/n sum_{(q, d)} y log(sigmoid(s(q, d))) + (1 - y) log(1 - sigmoid(s(q, d)))

    A score then means the same for all queries, which :class:`denseflow.train.losses.lce.LocalizedContrastive` does not
    ask for; that one ranks better where there are several negatives a query.

    Source: Nogueira and Cho 2019, "Passage Re-ranking with BERT" (https://arxiv.org/abs/1901.04085), equation 1.
    sentence-transformers has it as ``BinaryCrossEntropyLoss``.
    """

    def __call__(self, scores: Tensor, places: Tensor) -> Tensor:
        """The mean loss over the pairs; see :class:`denseflow.train.losses.pairs.PairLoss`."""
        labels = torch.zeros_like(scores)
        labels[places[:, 0]] = 1
        return F.binary_cross_entropy_with_logits(scores, labels)
