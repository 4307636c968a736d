"""MixCSE: SimCSE with harder negatives, mixed of the positive and of another text."""

from dataclasses import dataclass

import torch
from torch import Tensor

from denseflow.train.losses.masked import contrast, mean_by_query
from denseflow.train.losses.similarity import similarities
from denseflow.train.losses.targets import Targets


@dataclass(frozen=True)
class MixCSE:
    """The unsupervised contrastive loss with mixed negatives.

    h(i) and h'(i) are vectors of length 1 of the same text i, as a query and as a passage, of two passes with different
    dropout; with lambda the positive's share, temperature t, N(i) the other passages of the batch that are not known to
    be relevant for i, and SG, which stops the gradient::

        m(i, j) = SG( (lambda h'(i) + (1 - lambda) h'(j)) / |lambda h'(i) + (1 - lambda) h'(j)| )
        e(i)    = exp(h(i) h'(i) / t)
        loss    = -1/Q sum_i log( e(i) / (e(i) + sum_{j in N(i)} (exp(h(i) h'(j) / t) + exp(h(i) m(i, j) / t))) )

    As in the paper: mixed, then scaled to length 1, then cut off from the gradient, which reaches the anchor h(i) only;
    what is masked takes no share; nothing is mixed with anchors. (The authors' code mixes vectors of any
    length, gives what is masked a logit of 0, and mixes with anchors too.)

    When to use it: as SimCSE, where the loss of SimCSE nears 0 early because random texts are too easy to tell apart.
    Keep lambda small (0.2): a mixture must stay farther from the anchor than the positive is.

    Source: Zhang et al. 2022 (https://doi.org/10.1609/aaai.v36i10.21428), the section on MixCSE.

    sentence-transformers has no such loss.

    Attributes:
        temperature: t, divides every similarity; above 0.
        mix: lambda, above 0 and below 1.
    """

    temperature: float
    mix: float

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the texts; see :class:`denseflow.train.losses.targets.Loss`."""
        scores = similarities(queries, passages, "cosine")
        of = targets.positive[:, None]
        others = torch.cat([scores, self.mixed(queries, passages, targets)], dim=1) / self.temperature
        negatives = targets.negatives(in_batch=True).repeat(1, 2)
        losses = contrast(scores.gather(1, of) / self.temperature, others, negatives)
        return mean_by_query(losses, torch.ones_like(losses, dtype=torch.bool))

    def mixed(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """[Q, P] similarities h(i) m(i, j).

        They follow from those of what was mixed, which takes the memory of [Q, P] numbers instead of as many vectors.
        """
        passages = passages.detach()
        positives = passages[targets.positive]
        to_passages = similarities(queries, passages, "cosine")
        to_positive = to_passages.gather(1, targets.positive[:, None])
        between = similarities(positives, passages, "cosine")
        squares = self.mix**2 + (1 - self.mix) ** 2 + 2 * self.mix * (1 - self.mix) * between
        # Opposite vectors can cancel each other out where lambda is a half.
        lengths = squares.clamp(min=1e-12).sqrt()
        return (self.mix * to_positive + (1 - self.mix) * to_passages) / lengths

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """``masked_negatives``, and the mean similarities of anchors to positives, negatives and mixed negatives."""
        scores = similarities(queries, passages, "cosine")
        negatives = targets.negatives(in_batch=True)
        return {
            "masked_negatives": targets.masked_share(in_batch=True),
            "positive_similarity": scores.gather(1, targets.positive[:, None]).mean().item(),
            "negative_similarity": mean_by_query(scores, negatives).item(),
            "mixed_similarity": mean_by_query(self.mixed(queries, passages, targets), negatives).item(),
        }
